"""The signatures of Standard Webhooks 1.0.0, symmetric (`v1`) and asymmetric (`v1a`).

What is signed is `id.timestamp.body`. A header may hold the signatures of several secrets, so that one can
take another's place while receivers know either of them.

From "Standard Webhooks", section "Verifying webhook authenticity"
(github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

_SYMMETRIC = "whsec_"
_PRIVATE = "whsk_"
_SIZES = range(24, 65)
"""Bytes of a symmetric secret."""

_SEED = 32
"""Bytes of an ed25519 private key; in a `whsk_` the public one follows them (RFC 8032, section 5.1.5)."""


class WebhookSecret(Protocol):
    """What signs."""

    def signature(self, text: bytes) -> str:
        """Of this text, with its version in front."""
        ...


class _Symmetric:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def signature(self, text: bytes) -> str:
        return f"v1,{_base64(hmac.digest(self._secret, text, hashlib.sha256))}"


class _Asymmetric:
    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    def signature(self, text: bytes) -> str:
        return f"v1a,{_base64(self._key.sign(text))}"


def read_secret(text: str) -> WebhookSecret:
    """A secret as it is written: `whsec_…` for v1, `whsk_…` for v1a.

    Raises:
        ValueError: it is none. The message does not repeat it.
    """
    for prefix in (_SYMMETRIC, _PRIVATE):
        if text.startswith(prefix):
            try:
                secret = base64.b64decode(text.removeprefix(prefix), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"wants base64 after {prefix}") from None
            return _symmetric(secret) if prefix == _SYMMETRIC else _asymmetric(secret)
    raise ValueError(f"wants {_SYMMETRIC}… or {_PRIVATE}…, as `openssl rand -base64 32` makes it after that")


def _symmetric(secret: bytes) -> WebhookSecret:
    if len(secret) not in _SIZES:
        raise ValueError(f"holds {len(secret)} bytes; a secret has {_SIZES[0]} to {_SIZES[-1]}")
    return _Symmetric(secret)


def _asymmetric(secret: bytes) -> WebhookSecret:
    if len(secret) not in {_SEED, 2 * _SEED}:
        raise ValueError(f"holds {len(secret)} bytes; an ed25519 private key has {_SEED}, or {2 * _SEED}")
    return _Asymmetric(secret[:_SEED])


def sign(secrets: Sequence[WebhookSecret], id_: str, body: bytes, *, at: float) -> dict[str, str]:
    """The header fields that sign a message.

    Args:
        secrets: all that count now.
        id_: the message's, constant over attempts; it holds no `.`.
        body: what is sent.
        at: of this attempt, seconds since the epoch.
    """
    timestamp = str(int(at))
    text = f"{id_}.{timestamp}.".encode() + body
    signatures = " ".join(secret.signature(text) for secret in secrets)
    return {ID: id_, TIMESTAMP: timestamp, SIGNATURE: signatures}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
