"""Alibaba EventBridge as it pushes IMM's events over HTTP: signed, if a private key is given.

Whoever emulates it has a key and a certificate of their own; the router is told to trust that certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from router.emulators import fresh, schedule
from router.errors import ConfigurationError
from router.signatures import eventbridge

CERTIFICATE_URL = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate.pem"
"""Where a push says its certificate is; what is there is not the emulator's."""


@dataclass(frozen=True, slots=True)
class Signer:
    """What pushes are signed with.

    Attributes:
        url: the router's, as it was configured at EventBridge; None for the one that a push goes to.
    """

    key: RSAPrivateKey = field(repr=False)
    certificate_url: str = CERTIFICATE_URL
    version: eventbridge.Version = "v2"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Alibaba:
    """See `router.emulators.request.Cloud`.

    Attributes:
        policy: BACKOFF_RETRY or EXPONENTIAL_DECAY_RETRY.
        token: the target's, which stands in a header.
    """

    name: ClassVar[str] = "alibaba"

    policy: schedule.Policy = schedule.BACKOFF
    signer: Signer | None = None
    token: str | None = field(default=None, repr=False)

    def fresh(self, body: bytes) -> bytes:
        """See `router.emulators.fresh.alibaba`."""
        return fresh.alibaba(body)

    def address(self, url: str) -> str:
        """As it is."""
        return url

    def headers(self, url: str, content_type: str, body: bytes, now: float) -> dict[str, str]:
        """With a signature of this moment: one of a minute ago would not count any more."""
        headers = {"content-type": content_type}
        if self.signer is not None:
            signer = self.signer
            return headers | eventbridge.sign(
                signer.key,
                signer.certificate_url,
                signer.url or url,
                body,
                at=now,
                version=signer.version,
                token=self.token,
            )
        return headers if self.token is None else headers | {eventbridge.TOKEN: self.token}


def private_key(pem: bytes) -> RSAPrivateKey:
    """The key in a PEM file.

    Raises:
        ConfigurationError: there is none that EventBridge could sign with.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError("this is no private key in PEM, or it asks for a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError("this is no RSA key, and EventBridge signs with RSA")
    return key
