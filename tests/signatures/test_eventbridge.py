from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given
from hypothesis import strategies as st

from router.signatures.base import Reason, SignatureError
from router.signatures.eventbridge import WINDOW, Version, read, sign, verify
from tests.signatures.certificates import NOW, private_key

KEY = private_key()
CERTIFICATE = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_2.pem"
URL = "https://router.example.com/alibaba?tenant=a"
BODY = b'{"id":"1","data":"\xe4\xb8\xad"}'

both = pytest.mark.parametrize("version", ["v1", "v2"])
bodies = pytest.mark.parametrize("newline", [False, True], ids=["bare", "newline"])


def signed(version: Version = "v2", *, newline: bool = False, token: str | None = "t0ken") -> dict[str, str]:
    return sign(KEY, CERTIFICATE, URL, BODY, at=NOW, version=version, token=token, newline=newline)


def check(headers: dict[str, str], *, url: str = URL, body: bytes = BODY, now: float = NOW) -> None:
    verify(read(headers, now=now), url, headers, body, [KEY.public_key()])


def why(
    headers: dict[str, str], *, url: str = URL, body: bytes = BODY, now: float = NOW
) -> tuple[Reason, int]:
    with pytest.raises(SignatureError) as caught:
        check(headers, url=url, body=body, now=now)
    assert not [value for value in headers.values() if len(value) > 4 and value in caught.value.message]
    return caught.value.reason, caught.value.status


@both
@bodies
@pytest.mark.parametrize("token", [None, "t0ken"])
def test_a_round_trip(version: Version, token: str | None, newline: bool) -> None:
    check(signed(version, newline=newline, token=token))


def test_what_is_signed_is_what_the_documents_say() -> None:
    headers = signed()
    text = (
        f"{URL}\n"
        f"x-eventbridge-signature-timestamp: {NOW * 1000:.0f}\n"
        "x-eventbridge-hash-method: SHA256\n"
        "x-eventbridge-signature-version: 1.0\n"
        f"x-eventbridge-signature-url: {CERTIFICATE}\n"
        "x-eventbridge-signature-token: t0ken\n"
    ).encode() + BODY
    value = base64.b64decode(headers["x-eventbridge-signature-v2"])
    KEY.public_key().verify(value, text, PKCS1v15(), hashes.SHA256())


@both
def test_the_order_of_headers_does_not_matter(version: Version) -> None:
    check(dict(reversed(signed(version).items())) | {"x-other": "1"})


@both
@bodies
def test_another_request_is_refused(version: Version, newline: bool) -> None:
    headers = signed(version, newline=newline)
    wrong = (Reason.WRONG, 403)
    assert why(headers, body=BODY[:-1]) == wrong
    assert why(headers, body=BODY + b"\n\n") == wrong
    assert why(headers, url="https://router.example.com/alibaba") == wrong
    assert why(headers | {"x-eventbridge-signature-token": "an0ther"}) == wrong
    assert why(headers | {"x-eventbridge-signature-timestamp": f"{NOW * 1000 + 1:.0f}"}) == wrong
    assert why({name: value for name, value in headers.items() if not name.endswith("token")}) == wrong


@both
def test_another_key_is_refused(version: Version) -> None:
    headers = sign(private_key("theirs"), CERTIFICATE, URL, BODY, at=NOW, version=version)
    assert why(headers) == (Reason.WRONG, 403)
    keys = [KEY.public_key(), private_key("theirs").public_key()]
    verify(read(headers, now=NOW), URL, headers, BODY, keys)


@both
def test_it_counts_for_a_minute_either_way(version: Version) -> None:
    headers = signed(version)
    check(headers, now=NOW + WINDOW)
    check(headers, now=NOW - WINDOW)
    assert why(headers, now=NOW + WINDOW + 1) == (Reason.EXPIRED, 401)
    assert why(headers, now=NOW - WINDOW - 1) == (Reason.EXPIRED, 401)


@both
def test_each_part_of_it_is_needed(version: Version) -> None:
    headers = signed(version, token=None)
    for name in headers:
        if name != "x-eventbridge-signature-version":
            without = {other: value for other, value in headers.items() if other != name}
            assert why(without)[0] in (Reason.MISSING, Reason.UNFIT), name
    assert why({})[0] is Reason.MISSING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-eventbridge-hash-method", "MD5"),
        ("x-eventbridge-signature-timestamp", "now"),
        ("x-eventbridge-signature-timestamp", "-1"),
        ("x-eventbridge-signature-timestamp", "9" * 5000),
        ("x-eventbridge-signature-timestamp", "१७९०००००००००"),
        ("x-eventbridge-signature-v2", "!"),
        ("x-eventbridge-signature-v2", "é"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, value: str) -> None:
    assert why(signed() | {name: value}) == (Reason.UNFIT, 401)


def test_version_2_counts_where_there_are_both() -> None:
    headers = signed("v1") | signed("v2")
    check(headers)
    assert why(headers | {"x-eventbridge-signature-v2": "AAAA"}) == (Reason.WRONG, 403)


def test_the_secret_of_version_1_serves_for_any_push() -> None:
    """Why the router wants a token beside it: one push that somebody got is enough to make others."""
    seen = signed("v1", token=None)
    wrapped = base64.b64decode(seen["x-eventbridge-signature-secret"])
    secret = KEY.public_key().recover_data_from_signature(wrapped, PKCS1v15(), None)
    text = URL + "\n"
    for name in ("timestamp", "method", "version", "url"):
        text += f"x-eventbridge-signature-{name}: {seen[f'x-eventbridge-signature-{name}']}\n"
    forged = base64.b64encode(hmac.digest(secret, text.encode() + b"forged", hashlib.sha1)).decode()
    check(seen | {"x-eventbridge-signature": forged}, body=b"forged")


@given(st.dictionaries(st.sampled_from(list(signed("v1") | signed("v2"))), st.text(max_size=20)), st.binary())
def test_whatever_is_sent_is_refused_in_words(changed: dict[str, str], body: bytes) -> None:
    headers = signed() | changed
    said = ""
    try:
        check(headers, body=body)
    except SignatureError as error:
        said = error.message
    assert said.isprintable()
    assert said or body == BODY
