"""AWS Signature Version 4: known answers, and everything that is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.signatures import sigv4
from router.signatures.base import Key, Reason, SignatureError
from tests.signatures.sigv4_signer import signed

KEY = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
OTHER = Key("AKIDOTHER", "another")
THEN = 1_440_938_160.0  # 2015-08-30T12:36:00Z, the time of AWS's own vectors
NOW = 1_790_000_000.0
BODY = b'{"Entries":[]}'
SESSION = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRq"
    "TflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd"
)
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Vector:
    """A request of AWS's published suite (aws-sig-v4-test-suite), or one that botocore 1.44.5 signed."""

    signature: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = "service"


VECTORS = {
    "get-vanilla": Vector("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": Vector("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST"),
    "get-vanilla-query-order-key-case": Vector(
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        query="Param2=value2&Param1=value1",
    ),
    "get-vanilla-query-unreserved": Vector(
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        query=f"-._~{LETTERS}=-._~{LETTERS}",
    ),
    "get-vanilla-utf8-query": Vector(
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", query="%e1%88%B4=bar"
    ),
    "get-header-value-trim": Vector(
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        headers={"my-header1": " value1", "my-header2": '"a   b   c"'},
    ),
    "get-relative": Vector(
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", path="/example1/example2/../.."
    ),
    "get-slashes": Vector(
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", path="//example//./"
    ),
    "get-space": Vector(
        "446b817944c553435b35e813c261ff4e161fff982d1bacdef1c87f6785dd1662", path="/example%20space/"
    ),
    "post-x-www-form-urlencoded": Vector(
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "POST",
        body=b"Param1=value1",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    "session-token": Vector(
        "d5b26149becdf60ca818cfe11c2ce69ee482836a3aef6e7edb8ea8d4db154414",
        "POST",
        headers={"x-amz-security-token": SESSION},
    ),
    "boto3": Vector(
        "533120fab628e866798ea43b081f02ee232328592736a667df97336d2f47e84e",
        "POST",
        body=BODY,
        headers={"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents"},
        service="events",
    ),
}


def sent(vector: Vector, separator: str = ", ") -> dict[str, str]:
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", **vector.headers}
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{vector.service}/aws4_request"
        f"{separator}SignedHeaders={';'.join(sorted(headers))}{separator}Signature={vector.signature}"
    )
    return headers


@pytest.mark.parametrize("vector", VECTORS.values(), ids=list(VECTORS))
@pytest.mark.parametrize("separator", [", ", ",", " "])
def test_known_answers(vector: Vector, separator: str) -> None:
    headers = {**sent(vector, separator), "not-signed": "whatever"}
    found = sigv4.verify(
        [OTHER, KEY],
        vector.method,
        vector.path,
        vector.query,
        headers,
        vector.body,
        service=vector.service,
        now=THEN,
    )
    assert found is KEY


def test_a_date_header_stands_in_for_amz_date() -> None:
    """As botocore signs where the caller has set Date."""
    headers = {
        "host": "example.amazonaws.com",
        "date": "Sun, 30 Aug 2015 12:36:00 -0000",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/events/aws4_request, "
        "SignedHeaders=date;host, "
        "Signature=b4bd456f5b8c3183b265d9b78c25297f6529707d4b86db3a717eb995ccb2a549",
    }
    assert sigv4.verify([KEY], "POST", "/", "", headers, b"{}", service="events", now=THEN) is KEY


def verify(
    headers: Mapping[str, str], body: bytes = BODY, *keys: Key, path: str = "/", query: str = ""
) -> Key:
    return sigv4.verify(keys or (KEY,), "POST", path, query, headers, body, service="events", now=NOW)


def refused(headers: Mapping[str, str], body: bytes = BODY, *keys: Key, **more: str) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verify(headers, body, *keys, **more)
    error = caught.value
    assert error.status == 400
    assert KEY.secret not in error.message
    _, found, signature = headers.get("authorization", "").partition("Signature=")
    assert not found or signature not in error.message
    return error


def test_any_of_several_keys_may_sign() -> None:
    for key in (KEY, OTHER):
        assert verify(signed(key, BODY, at=NOW), BODY, KEY, OTHER) is key
    newer = Key(KEY.id, "the same id, a new secret")
    assert verify(signed(newer, BODY, at=NOW), BODY, KEY, newer) is newer


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "nowhere"])
def test_any_region_will_do(region: str) -> None:
    assert verify(signed(KEY, BODY, at=NOW, scope=f"{region}/events")) is KEY
    found = sigv4.credential(signed(KEY, BODY, at=NOW, scope=f"{region}/events"))
    assert found == sigv4.Credential(KEY.id, "20260921", region, "events")


@pytest.mark.parametrize("late", [-sigv4.SKEW, 0, sigv4.SKEW])
def test_a_clock_may_differ_by_five_minutes(late: float) -> None:
    assert verify(signed(KEY, BODY, at=NOW + late)) is KEY


def test_a_signature_of_another_time_is_refused() -> None:
    old = refused(signed(KEY, BODY, at=NOW - 301))
    assert old.reason is Reason.EXPIRED
    assert old.message == (
        "Signature expired: 20260921T140819Z is now earlier than 20260921T140820Z (20260921T141320Z - 5 min.)"
    )
    early = refused(signed(KEY, BODY, at=NOW + 301))
    assert early.reason is Reason.EXPIRED
    assert early.message == (
        "Signature not yet current: 20260921T141821Z is still later than 20260921T141820Z "
        "(20260921T141320Z + 5 min.)"
    )


def test_what_is_signed_cannot_be_changed() -> None:
    headers = signed(KEY, BODY, at=NOW)
    assert refused(headers, BODY + b" ").reason is Reason.WRONG
    assert refused(headers, path="/else").reason is Reason.WRONG
    assert refused(headers, query="a=1").reason is Reason.WRONG
    for name in ("host", "x-amz-target", "content-type"):
        assert refused({**headers, name: "else"}).reason is Reason.WRONG
    assert refused({**headers, "x-amz-date": "20260921T141321Z"}).reason is Reason.WRONG
    secret = refused(signed(Key(KEY.id, "wrong"), BODY, at=NOW))
    assert secret.message.startswith("The request signature we calculated does not match the signature")


def test_the_digest_of_the_body_is_checked_where_it_is_sent() -> None:
    right = hashlib.sha256(BODY).hexdigest()
    assert verify(signed(KEY, BODY, at=NOW, more={"x-amz-content-sha256": right})) is KEY
    for said in (hashlib.sha256(b"else").hexdigest(), "UNSIGNED-PAYLOAD"):
        error = refused(signed(KEY, BODY, at=NOW, more={"x-amz-content-sha256": said}))
        assert error.reason is Reason.ALTERED


def test_an_unknown_key_is_refused() -> None:
    error = refused(signed(OTHER, BODY, at=NOW))
    assert error.reason is Reason.UNKNOWN_KEY
    assert error.message == "The security token included in the request is invalid."


def test_a_signature_for_another_service_or_day_is_refused() -> None:
    error = refused(signed(KEY, BODY, at=NOW, scope="us-east-1/sqs"))
    assert error.reason is Reason.WRONG
    assert error.message == "Credential should be scoped to correct service: 'events'."
    headers = signed(KEY, BODY, at=NOW)
    headers["authorization"] = headers["authorization"].replace("/20260921/", "/20260920/")
    assert "Date in Credential scope" in refused(headers).message


def test_what_decides_must_be_signed() -> None:
    for name in sigv4.DECISIVE:
        headers = signed(KEY, BODY, at=NOW)
        headers["authorization"] = headers["authorization"].replace(f"{name};", "").replace(f";{name}", "")
        error = refused(headers)
        assert error.reason is Reason.UNFIT
        assert error.message == f"'{name}' must be a 'SignedHeader' in the AWS Authorization."


def test_a_request_without_a_signature_is_refused() -> None:
    error = refused({"host": "h"})
    assert (error.reason, error.message) == (Reason.MISSING, "Missing Authentication Token")


CREDENTIAL = "Credential=A/20260921/eu/events/aws4_request"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Unsupported AWS 'algorithm'. AWS4-HMAC-SHA256 is spoken here.",
        ),
        ("", "Unsupported AWS 'algorithm'. AWS4-HMAC-SHA256 is spoken here."),
        (
            f"AWS4-ECDSA-P256-SHA256 {CREDENTIAL}",
            "Unsupported AWS 'algorithm': AWS4-ECDSA-P256-SHA256. AWS4-HMAC-SHA256 is spoken here.",
        ),
        (
            f"AWS4-HMAC-SHA256 {CREDENTIAL}, abc",
            "There is no valid key=value pair (missing equal-sign) in Authorization header.",
        ),
        (
            f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=",
            (
                "Authorization header requires 'Signature' parameter. "
                "Authorization header requires 'SignedHeaders' parameter."
            ),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=A/eu/events/aws4_request, SignedHeaders=host, Signature=1",
            "Credential must have the form <access key>/<date>/<region>/<service>/aws4_request.",
        ),
    ],
)
def test_a_signature_that_cannot_be_read_is_refused(given: str, message: str) -> None:
    error = refused({**signed(KEY, BODY, at=NOW), "authorization": given})
    assert (error.reason, error.message) == (Reason.UNFIT, message)
    assert sigv4.credential({"authorization": given}) is None


@pytest.mark.parametrize(
    "stamp",
    [
        "yesterday",
        "20261322T000000Z",
        "2026-09-21",
        "Mon, 99 Sep 2026",
        "٢" * 8,
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ],
)
def test_a_time_that_cannot_be_read_is_refused(stamp: str) -> None:
    error = refused({**signed(KEY, BODY, at=NOW), "x-amz-date": stamp})
    assert (error.reason, error.message) == (Reason.UNFIT, "Date must be in ISO-8601 'basic format'.")


def test_a_date_may_be_of_any_zone() -> None:
    headers = signed(KEY, BODY, at=NOW)
    del headers["x-amz-date"]
    for written in ("Mon, 21 Sep 2026 16:13:20 +0200", "Mon, 21 Sep 2026 14:13:20 GMT"):
        assert refused({**headers, "date": written}).reason is Reason.WRONG  # it is now, and was not signed
    assert refused({**headers, "date": "Mon, 21 Sep 2026 14:13:20 +0200"}).reason is Reason.EXPIRED


dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}{}".format,
    st.sampled_from(["Mon", "", "٢"]),
    st.integers(-1, 99999),
    st.sampled_from(["Jan", "Dec", "Feb", "13", ""]),
    st.sampled_from(["0000", "0001", "1969", "2026", "9999", "10000", "-1", "9" * 400]),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.sampled_from(["+", "-", ""]),
    st.integers(0, 10**9) | st.sampled_from(["0000", "2359", "2400", "9999", "GMT", "EST", "9" * 5000, ""]),
) | st.datetimes().map("{:%Y%m%dT%H%M%SZ}".format)


@given(dates | dates.map(str.swapcase), st.sampled_from(["date", "x-amz-date"]))
def test_no_date_is_more_than_a_reason_to_refuse(date: str, name: str) -> None:
    headers = signed(KEY, BODY, at=NOW)
    del headers["x-amz-date"]
    assert refused({**headers, name: date}).message.isprintable()


def test_a_request_without_a_time_is_refused() -> None:
    headers = signed(KEY, BODY, at=NOW)
    del headers["x-amz-date"]
    assert "requires existence of either a 'X-Amz-Date' or a 'Date' header." in refused(headers).message


texts = st.text(st.characters(max_codepoint=255), max_size=60)


@given(
    headers=st.dictionaries(
        st.sampled_from(["host", "x-amz-date", "date", "x-amz-target", "x-amz-content-sha256"]), texts
    ),
    authorization=texts
    | st.builds(
        "AWS4-HMAC-SHA256 Credential={}/20260921/{}/events/aws4_request,SignedHeaders={},Signature={}".format,
        st.just(KEY.id) | texts,
        texts,
        texts,
        texts,
    ),
    path=texts,
    query=texts,
)
def test_whatever_a_stranger_sends_is_refused(
    headers: dict[str, str], authorization: str, path: str, query: str
) -> None:
    for given_time in ({}, {"x-amz-date": "20260921T141320Z"}):
        sent_headers = {**headers, "authorization": authorization, **given_time}
        with pytest.raises(SignatureError) as caught:
            verify(sent_headers, path=path, query=query)
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 400
