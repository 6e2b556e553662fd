"""What each cloud puts on the wire is what the router's own verifiers take."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from router import samples
from router.emulators.alibaba import Alibaba, Signer, private_key
from router.emulators.baidu import Baidu
from router.emulators.request import host_of
from router.emulators.tencent import Tencent
from router.errors import ConfigurationError
from router.signatures import bce, eventbridge
from router.signatures.base import Key, Reason, SignatureError

NOW = 1_800_000_000.0
KEY = Key("AK", "s3cret")


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/?result", "https://example.com/v1/b/?result&a=%20b"])
def test_baidus_signature_covers_the_request_and_its_body(url: str) -> None:
    headers = Baidu(KEY).headers(url, "application/json; charset=utf-8", b'{"events": []}', NOW)
    parts = urlsplit(url)
    wire = headers | {"host": host_of(url), "content-length": "14"}

    def verify(body: bytes, **changed: str) -> None:
        bce.verify([KEY], "POST", parts.path, parts.query, wire | changed, body, now=NOW)

    verify(b'{"events": []}')
    with pytest.raises(SignatureError) as caught:
        verify(b'{"events": [1]}')
    assert caught.value.reason is Reason.ALTERED
    with pytest.raises(SignatureError):
        verify(b'{"events": []}', host="elsewhere")


def test_without_a_key_nothing_is_signed() -> None:
    assert Baidu().headers("http://h/", "application/json", b"", NOW) == {"content-type": "application/json"}
    assert Alibaba().headers("http://h/", "text/plain", b"", NOW) == {"content-type": "text/plain"}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("token", [None, "t0ken"])
@pytest.mark.parametrize("public", [None, "https://router.example.com/alibaba?x=1"])
def test_eventbridges_signature_fits_its_certificate(
    version: eventbridge.Version, token: str | None, public: str | None, rsa_key: rsa.RSAPrivateKey
) -> None:
    signer = Signer(rsa_key, version=version, url=public)
    url = "http://127.0.0.1:8080/alibaba"
    headers = Alibaba(signer=signer, token=token).headers(url, "application/json", b"{}", NOW)
    signature = eventbridge.read(headers, now=NOW)
    assert signature.version == version
    eventbridge.verify(signature, public or url, headers, b"{}", [rsa_key.public_key()])
    with pytest.raises(SignatureError):
        eventbridge.verify(signature, public or url, headers, b"[]", [rsa_key.public_key()])
    assert headers.get(eventbridge.TOKEN) == token


def test_each_attempt_is_signed_anew(rsa_key: rsa.RSAPrivateKey) -> None:
    cloud = Alibaba(signer=Signer(rsa_key))
    one, other = (cloud.headers("http://h/", "text/plain", b"", now) for now in (NOW, NOW + 600))
    eventbridge.read(other, now=NOW + 600)
    with pytest.raises(SignatureError):
        eventbridge.read(one, now=NOW + 600)


def test_a_token_goes_without_a_signature_too() -> None:
    headers = Alibaba(token="t0ken").headers("http://h/", "text/plain", b"", NOW)
    assert headers[eventbridge.TOKEN] == "t0ken"


def test_tencents_token_stands_in_the_url() -> None:
    assert Tencent().address("http://h/tencent") == "http://h/tencent"
    assert Tencent("a&b").address("http://h/tencent") == "http://h/tencent?token=a%26b"
    assert Tencent("t").address("http://h/tencent?x=1") == "http://h/tencent?x=1&token=t"


def test_tencent_says_which_form_of_moderation_result_it_sends() -> None:
    forms = {
        sample.name: Tencent().headers("", sample.content_type, sample.body, NOW).get("x-ci-content-version")
        for sample in samples.load("tencent")
    }
    assert {form for name, form in forms.items() if "review" not in name} == {None}
    assert {form for name, form in forms.items() if "review-simple" in name} == {"Simple"}
    assert {form for name, form in forms.items() if "review-detail" in name} == {"Detail"}


def test_a_private_key_is_read_and_anything_else_is_told(rsa_key: rsa.RSAPrivateKey) -> None:
    assert private_key(pem_of(rsa_key)).private_numbers() == rsa_key.private_numbers()
    for pem in (b"", b"-----BEGIN NONSENSE-----", pem_of(rsa_key, b"password")):
        with pytest.raises(ConfigurationError, match="no private key in PEM, or it asks for a password"):
            private_key(pem)
    with pytest.raises(ConfigurationError, match="no RSA key"):
        private_key(pem_of(ec.generate_private_key(ec.SECP256R1())))


def test_no_secret_shows_itself(rsa_key: rsa.RSAPrivateKey) -> None:
    shown = repr([Baidu(KEY), Tencent("t0ken"), Alibaba(signer=Signer(rsa_key), token="t0ken")])
    assert "s3cret" not in shown
    assert "t0ken" not in shown
