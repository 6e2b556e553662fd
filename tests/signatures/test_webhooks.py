"""Standard Webhooks: the known answers of its own libraries, and what no secret is."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from router.signatures.webhooks import read_secret, sign

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1_614_265_330
BODY = b'{"test": 2432232314}'
SYMMETRIC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


@pytest.mark.parametrize(("secret", "signature"), [(SYMMETRIC, V1), (PRIVATE, V1A)])
def test_the_known_answers(secret: str, signature: str) -> None:
    assert sign([read_secret(secret)], ID, BODY, at=AT + 0.9) == {
        "webhook-id": ID,
        "webhook-timestamp": str(AT),
        "webhook-signature": signature,
    }


def test_during_a_rotation_there_is_a_signature_of_each() -> None:
    both = [read_secret(SYMMETRIC), read_secret(PRIVATE)]
    assert sign(both, ID, BODY, at=AT)["webhook-signature"] == f"{V1} {V1A}"


def test_a_private_key_without_its_public_half_will_do() -> None:
    seed = base64.b64decode(PRIVATE.removeprefix("whsk_"))[:32]
    short = read_secret("whsk_" + base64.b64encode(seed).decode())
    assert sign([short], ID, BODY, at=AT)["webhook-signature"] == V1A


@given(body=st.binary(max_size=100), at=st.integers(0, 2**40))
def test_whoever_has_the_public_key_can_verify(body: bytes, at: int) -> None:
    headers = sign([read_secret(PRIVATE)], ID, body, at=at)
    value = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    text = f"{ID}.{headers['webhook-timestamp']}.".encode() + body
    Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC)).verify(value, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "wants whsec_… or whsk_…"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "wants whsec_… or whsk_…"),
        ("whsec_M", "wants base64 after whsec_"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", "wants base64 after whsec_"),
        ("whsec_ü", "wants base64 after whsec_"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "holds 23 bytes; a secret has 24 to 64"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "holds 65 bytes; a secret has 24 to 64"),
        ("whsk_" + base64.b64encode(b"x" * 33).decode(), "holds 33 bytes; an ed25519 private key has 32"),
    ],
)
def test_what_no_secret_is(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        read_secret(text)
    assert not text or text not in str(caught.value)
