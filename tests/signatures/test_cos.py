"""q-sign-algorithm=sha1: what it covers, and what must not get through."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.signatures import cos
from router.signatures.base import Key, Reason, SignatureError

KEY = Key("AKIDexample", "secret-example")
AT = 1_795_348_800.0
HEADERS = {
    "host": "test-1234567890.ci.ap-chongqing.myqcloud.com",
    "content-type": "application/xml",
    "content-length": "166",
}


def signed(headers: Mapping[str, str] = HEADERS, *names: str, query: str = "") -> dict[str, str]:
    authorization = cos.sign(KEY, "POST", "/jobs", query, headers, at=AT, signed=names)
    return {**headers, "authorization": authorization}


def verify(headers: Mapping[str, str], query: str = "", now: float = AT) -> None:
    cos.verify([Key("other", "x"), KEY], "POST", "/jobs", query, headers, now=now)


def refused(headers: Mapping[str, str], query: str = "", now: float = AT) -> Reason:
    with pytest.raises(SignatureError) as caught:
        verify(headers, query, now)
    assert KEY.secret not in caught.value.message
    assert caught.value.status == 403
    return caught.value.reason


def hmac_sha1(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()


def test_the_request_of_the_documents_covers_method_and_path() -> None:
    """Submit an OCR task: its Authorization has empty lists of headers and parameters."""
    span = f"{int(AT) - 60};{int(AT) + 3600}"
    digest = hashlib.sha1(b"post\n/jobs\n\n\n").hexdigest()
    signature = hmac_sha1(hmac_sha1(KEY.secret, span), f"sha1\n{span}\n{digest}\n")
    assert cos.sign(KEY, "POST", "/jobs", "", HEADERS, at=AT) == (
        f"q-sign-algorithm=sha1&q-ak={KEY.id}&q-sign-time={span}&q-key-time={span}"
        f"&q-header-list=&q-url-param-list=&q-signature={signature}"
    )


@pytest.mark.parametrize("names", [(), ("host",), ("host", "content-type", "content-length")])
def test_what_is_signed_is_verified(names: tuple[str, ...]) -> None:
    verify(signed(HEADERS, *names))


def test_what_is_not_listed_is_not_covered() -> None:
    verify({**signed(HEADERS, "host"), "content-type": "text/plain"})
    verify(signed(HEADERS, "host"), "added=later")


@pytest.mark.parametrize("name", ["host", "content-type"])
def test_a_listed_header_cannot_be_changed(name: str) -> None:
    headers = signed(HEADERS, "host", "content-type")
    assert refused({**headers, name: "other"}) is Reason.WRONG
    assert refused({key: value for key, value in headers.items() if key != name}) is Reason.WRONG


def test_a_listed_parameter_cannot_be_changed() -> None:
    headers = signed(HEADERS, query="Tag=a&q%20z=1+2")
    verify(headers, "q%20z=1%202&tag=a")
    assert refused(headers, "q%20z=1%202&tag=b") is Reason.WRONG
    assert refused(headers, "tag=a") is Reason.WRONG


def test_the_sdk_signs_the_host_without_its_port() -> None:
    headers = signed({"host": "127.0.0.1"}, "host")
    verify({**headers, "host": "127.0.0.1:8081"})
    assert refused({**headers, "host": "127.0.0.2:8081"}) is Reason.WRONG


@pytest.mark.parametrize("now", [AT - 61, AT + 3601])
def test_outside_its_time_it_is_refused(now: float) -> None:
    assert refused(signed(), now=now) is Reason.EXPIRED


def test_its_times_cannot_be_changed() -> None:
    headers = signed()
    headers["authorization"] = headers["authorization"].replace(str(int(AT) + 3600), str(int(AT) + 7200))
    assert refused(headers) is Reason.WRONG


def test_an_unknown_key_is_refused() -> None:
    headers = signed()
    headers["authorization"] = headers["authorization"].replace(KEY.id, "nobody")
    assert refused(headers) is Reason.UNKNOWN_KEY


def test_another_secret_is_refused() -> None:
    with pytest.raises(SignatureError) as caught:
        cos.verify([Key(KEY.id, "guessed")], "POST", "/jobs", "", signed(), now=AT)
    assert caught.value.reason is Reason.WRONG


def test_another_method_or_path_is_refused() -> None:
    for method, path in (("PUT", "/jobs"), ("POST", "/job")):
        with pytest.raises(SignatureError) as caught:
            cos.verify([KEY], method, path, "", signed(), now=AT)
        assert caught.value.reason is Reason.WRONG


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("", Reason.MISSING),
        ("Basic eDp5", Reason.UNFIT),
        ("q-sign-algorithm=sha1&q-ak=a", Reason.UNFIT),
        (signed()["authorization"].replace("=sha1", "=sha256"), Reason.UNFIT),
        (signed()["authorization"].replace(";", ","), Reason.UNFIT),
    ],
)
def test_what_is_no_signature_is_refused(authorization: str, reason: Reason) -> None:
    assert refused({**HEADERS, "authorization": authorization}) is reason


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="&=+%"), max_size=20)


@given(_WORDS, _WORDS, _WORDS)
def test_what_is_signed_is_verified_whatever_it_holds(value: str, name: str, parameter: str) -> None:
    headers = {**HEADERS, "x-cos-meta": value}
    query = f"{name}={parameter}"
    verify(signed(headers, "host", "x-cos-meta", query=query), query)
