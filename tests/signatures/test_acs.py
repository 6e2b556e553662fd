"""The signatures of Alibaba's SDKs. Requests here were recorded from them; `tests/clients` has them live."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.signatures.acs import SKEW, verify
from router.signatures.base import Key, Reason, SignatureError

SIGNED_AT = 1_795_350_218.0  # Sun, 22 Nov 2026 12:23:38 GMT
KEYS = (Key("OTHER", "SK"), Key("AK", "the-next"), Key("AK", "SK"))

V1 = {
    "date": "Sun, 22 Nov 2026 12:23:38 GMT",
    "host": "127.0.0.1:44429",
    "accept": "application/json",
    "x-acs-signature-nonce": "c01e54260696c17bdff741191ce03c25",
    "x-acs-signature-method": "HMAC-SHA1",
    "x-acs-signature-version": "1.0",
    "x-eventbridge-version": "2015-06-06",
    "content-type": "application/cloudevents-batch+json; charset=utf-8",
    "authorization": "acs:AK:lXuJY3oX/33MhSKrfMwANiFKyHU=",
}
"""alibabacloud_eventbridge 1.3.8."""

V3 = {
    "host": "127.0.0.1:44429",
    "x-acs-version": "2020-04-01",
    "x-acs-action": "PutEvents",
    "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
    "x-acs-date": "2026-11-22T12:23:38Z",
    "x-acs-signature-nonce": "5e47821588b706546065fc7a09a45a79",
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "x-acs-content-sha256": "ce44c96953f0d262db5df169eb82b0dc231818ad2cf6439ccfaba35ad4494436",
    "x-acs-credentials-provider": "static_ak",
    "authorization": (
        "ACS3-HMAC-SHA256 Credential=AK,SignedHeaders=accept;content-type;host;user-agent;x-acs-action;"
        "x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=7b1000a275e80c03f215d2a1c4d7a5910c46075c337b1b4dd9fd07efba4e6e19"
    ),
}
"""alibabacloud_eventbridge20200401 8.7.0."""
BODY_V3 = (
    b"EventBusName=default&EventList=%5B%7B%22Data%22%3A%7B%22Suggestion%22%3A%22block%22%7D%2C%22Id%22%3A%221%22%2C"
    b"%22Source%22%3A%22acs.imm%22%2C%22Subject%22%3A%22s+p%26%22%2C%22Type%22%3A%22imm%3ATask%3AImageModeration%22"
    b"%7D%5D"
)

PATHS = {"v1": "/openapi/putEvents", "v3": "/"}
HEADERS = {"v1": V1, "v3": V3}
versions = pytest.mark.parametrize("version", ["v1", "v3"])


def check(
    version: str,
    changed: dict[str, str] | None = None,
    *,
    keys: tuple[Key, ...] = KEYS,
    path: str | None = None,
    query: str = "",
    body: bytes = BODY_V3,
    now: float = SIGNED_AT,
) -> bool:
    headers = HEADERS[version] | (changed or {})
    return verify(keys, "POST", path or PATHS[version], query, headers, body, now=now)


def why(version: str, changed: dict[str, str] | None = None, **asked: object) -> Reason:
    with pytest.raises(SignatureError) as caught:
        check(version, changed, **asked)  # type: ignore[arg-type] # each test names what `check` takes
    assert "lXuJ" not in caught.value.message
    assert "7b10" not in caught.value.message
    assert caught.value.status == 403
    return caught.value.reason


def test_what_the_sdks_sign_fits() -> None:
    assert check("v1") is False  # its signature says nothing of the body
    assert check("v3") is True
    assert check("v1", {"authorization": V1["authorization"].replace("acs:", "acs ")}) is False


@versions
def test_another_request_is_refused(version: str) -> None:
    assert why(version, path="/other") is Reason.WRONG
    assert why(version, query="a=1") is Reason.WRONG
    assert why(version, {"x-acs-signature-nonce": "other"}) is Reason.WRONG
    assert why(version, {"content-type": "application/json"}) is Reason.WRONG
    assert why(version, keys=(Key("AK", "other"),)) is Reason.WRONG
    assert why(version, keys=(Key("OTHER", "SK"),)) is Reason.UNKNOWN_KEY
    assert why(version, keys=()) is Reason.UNKNOWN_KEY


def test_another_body_is_refused_where_it_is_covered() -> None:
    assert why("v3", body=BODY_V3 + b" ") is Reason.ALTERED
    assert why("v3", {"x-acs-content-sha256": "0" * 64}) is Reason.WRONG
    assert why("v1", {"content-md5": "AAAA"}) is Reason.WRONG


def test_the_older_signature_covers_a_content_md5() -> None:
    md5 = base64.b64encode(hashlib.md5(BODY_V3, usedforsecurity=False).digest()).decode()
    named = sorted(f"{name}:{value}\n" for name, value in V1.items() if name.startswith("x-acs"))
    text = f"POST\n{md5}\n{V1['content-type']}\n{V1['date']}\n{''.join(named)}{PATHS['v1']}"
    value = base64.b64encode(hmac.digest(b"SK", text.encode(), "sha1")).decode()
    signed = {"content-md5": md5, "authorization": f"acs:AK:{value}"}
    assert check("v1", signed) is True
    assert why("v1", signed, body=b"other") is Reason.ALTERED


@versions
def test_it_counts_for_a_quarter_of_an_hour(version: str) -> None:
    check(version, now=SIGNED_AT + SKEW)
    check(version, now=SIGNED_AT - SKEW)
    assert why(version, now=SIGNED_AT + SKEW + 1) is Reason.EXPIRED
    assert why(version, now=SIGNED_AT - SKEW - 1) is Reason.EXPIRED


@versions
@pytest.mark.parametrize("name", ["date", "x-acs-date"])
def test_a_time_that_cannot_be_read_is_refused(version: str, name: str) -> None:
    used = "date" if version == "v1" else "x-acs-date"
    if name == used:
        assert why(version, {name: "today"}) is Reason.UNFIT


@pytest.mark.parametrize(
    "authorization", ["acs", "acs:AK", "Bearer x", "ACS3-HMAC-SHA256 Credential=AK", "é"]
)
def test_what_is_no_such_signature_is_refused(authorization: str) -> None:
    assert why("v1", {"authorization": authorization}) is Reason.UNFIT


def test_nothing_is_no_signature() -> None:
    assert why("v1", {"authorization": ""}) is Reason.MISSING


@pytest.mark.parametrize("name", ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date"])
def test_a_signature_must_cover_what_counts(name: str) -> None:
    covered = V3["authorization"].replace(f"{name};", "")
    assert why("v3", {"authorization": covered}) is Reason.UNFIT


@versions
@given(st.dictionaries(st.sampled_from(sorted(V1 | V3)), st.text(max_size=30)))
def test_whatever_is_sent_is_refused_in_words(version: str, changed: dict[str, str]) -> None:
    said = ""
    try:
        check(version, changed)
    except SignatureError as error:
        said = error.message
    assert said.isprintable()
