from __future__ import annotations

import base64
import hashlib
from email.utils import parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from hypothesis import given
from hypothesis import strategies as st

from router.signatures.base import Reason, SignatureError
from router.signatures.mns import WINDOW, read, sign, verify
from tests.signatures.certificates import NOW, private_key
from tests.signatures.smq_push import GENUINE, GENUINE_CERTIFICATE

KEY = private_key()
CERTIFICATE = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem"
BODY = b"<Notification/>"
GIVEN = {
    "content-type": "text/xml;charset=utf-8",
    "x-mns-request-id": "57458276",
    "x-mns-version": "2015-06-06",
}


def signed(resource: str = "/alibaba") -> dict[str, str]:
    return sign(KEY, CERTIFICATE, resource, GIVEN, BODY, at=NOW)


def check(
    headers: dict[str, str], body: bytes = BODY, *, resource: str = "/alibaba", now: float = NOW
) -> None:
    verify(read(headers, now=now), "POST", [resource], headers, body, [KEY.public_key()])


def why(
    headers: dict[str, str], body: bytes = BODY, *, resource: str = "/alibaba", now: float = NOW
) -> Reason:
    with pytest.raises(SignatureError) as caught:
        check(headers, body, resource=resource, now=now)
    assert caught.value.status == 403
    assert not [value for value in headers.values() if value in caught.value.message]
    return caught.value.reason


def test_a_genuine_push_has_a_signature_that_fits() -> None:
    certificate = x509.load_pem_x509_certificate(GENUINE_CERTIFICATE)
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    now = parsedate_to_datetime(GENUINE["date"]).timestamp()
    # What `router.sources.alibaba_certificates` has to allow for.
    assert (key.key_size, certificate.not_valid_after_utc.timestamp() < now) == (512, True)
    signature = read(GENUINE, now=now)
    assert signature.certificate_url == CERTIFICATE
    with pytest.raises(SignatureError) as caught:
        verify(signature, "POST", ["/notifications"], GENUINE, b"not what it held", [key])
    assert caught.value.reason is Reason.ALTERED
    with pytest.raises(SignatureError) as caught:
        verify(signature, "POST", ["/notification"], GENUINE, b"", [key])
    assert caught.value.reason is Reason.WRONG


def test_a_round_trip() -> None:
    check(signed())
    verify(read(signed(), now=NOW), "POST", ["/x", "/alibaba"], signed(), BODY, [KEY.public_key()])


@pytest.mark.parametrize("upper", [False, True])
def test_content_md5_is_taken_as_it_was_seen(upper: bool) -> None:
    digits = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    rfc = base64.b64encode(bytes.fromhex(digits)).decode()
    for written in (digits.upper() if upper else digits, rfc):
        headers = signed() | {"content-md5": written}
        lines = [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
        text = "\n".join(("POST", written, GIVEN["content-type"], headers["date"], *lines, "/alibaba"))
        value = KEY.sign(text.encode(), PKCS1v15(), hashes.SHA1())
        check(headers | {"authorization": base64.b64encode(value).decode()})


def test_another_request_is_refused() -> None:
    assert why(signed(), b"other") is Reason.ALTERED
    assert why(signed(), resource="/other") is Reason.WRONG
    assert why(signed() | {"x-mns-request-id": "an0ther"}) is Reason.WRONG
    assert why(signed() | {"x-mns-added": "more"}) is Reason.WRONG
    assert why(signed() | {"content-md5": "other-but-not-signed"}) is Reason.WRONG
    theirs = sign(private_key("theirs"), CERTIFICATE, "/alibaba", GIVEN, BODY, at=NOW)
    assert why(theirs) is Reason.WRONG


def test_it_counts_for_a_quarter_of_an_hour() -> None:
    check(signed(), now=NOW + WINDOW)
    check(signed(), now=NOW - WINDOW)
    assert why(signed(), now=NOW + WINDOW + 1) is Reason.EXPIRED
    assert why(signed(), now=NOW - WINDOW - 1) is Reason.EXPIRED


@pytest.mark.parametrize("name", ["authorization", "content-md5", "date", "x-mns-signing-cert-url"])
def test_each_part_of_it_is_needed(name: str) -> None:
    assert why({other: value for other, value in signed().items() if other != name}) is Reason.MISSING
    assert why(signed() | {name: "é!"}) in (Reason.UNFIT, Reason.WRONG)


@given(st.dictionaries(st.sampled_from(list(signed())), st.text(max_size=30)))
def test_whatever_is_sent_is_refused_in_words(changed: dict[str, str]) -> None:
    headers = signed() | changed
    said: tuple[int, bool] | None = None
    try:
        check(headers)
    except SignatureError as error:
        said = error.status, error.message.isprintable()
    assert said == (403, True) or (said is None and headers == signed())
