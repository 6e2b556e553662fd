"""The signature of Alibaba's Simple Message Queue (SMQ, once MNS) on what it pushes: RSA-SHA1.

What is signed is, with line ends between: the method, Content-MD5, Content-Type, Date, `name:value` for each
`x-mns-` header in order, and the path. The body is covered by its Content-MD5 alone. From "Verify HTTP push
message signatures" (alibabacloud.com/help/en/mns/debugging-tool-of-http-endpoints), which also has the window
of 15 minutes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from router.signatures.base import Reason, SignatureError, same
from router.signatures.fields import from_base64, http_date, octets

WINDOW = 900.0
"""Seconds that Date may differ from now, either way."""

PREFIX = "x-mns-"
URL = "x-mns-signing-cert-url"

_REFUSED = 403
"""What SMQ is told where a signature is missing or does not fit, whatever is wrong with it."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A push's signature, taken apart.

    Attributes:
        certificate_url: where the sender says its certificate is.
    """

    certificate_url: str
    value: bytes = field(repr=False)


def sign(
    private_key: RSAPrivateKey,
    certificate_url: str,
    resource: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    at: float,
) -> dict[str, str]:
    """All header fields of a push: those given, and those that sign it.

    Args:
        private_key: the sender's.
        certificate_url: where the receiver finds the certificate that belongs to it.
        resource: the path it goes to.
        headers: names in lower case.
        body: what is pushed.
        at: seconds since the epoch.
    """
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    signed = {
        **headers,
        "content-md5": base64.b64encode(md5.encode()).decode(),
        "date": formatdate(at, usegmt=True),
        URL: base64.b64encode(certificate_url.encode()).decode(),
    }
    value = private_key.sign(_text("POST", signed, resource), PKCS1v15(), hashes.SHA1())  # noqa: S303 (SMQ's)
    return {**signed, "authorization": base64.b64encode(value).decode()}


def read(headers: Mapping[str, str], *, now: float) -> Signature:
    """What a push is signed with.

    Args:
        headers: names in lower case.
        now: seconds since the epoch.

    Raises:
        SignatureError: it is not signed, not for now, or in a way that is not known.
    """
    for name in ("authorization", URL, "date", "content-md5"):
        if not headers.get(name):
            raise SignatureError(Reason.MISSING, f"not signed by SMQ: {name} is missing", _REFUSED)
    sent = http_date(headers["date"])
    if sent is None:
        raise SignatureError(Reason.UNFIT, "date: no HTTP date", _REFUSED)
    if abs(now - sent) > WINDOW:
        raise SignatureError(
            Reason.EXPIRED,
            f"signed more than {WINDOW / 60:.0f} minutes from now: it is a repetition, or a clock is wrong",
            _REFUSED,
        )
    certificate_url = from_base64(URL, headers, _REFUSED).decode(errors="replace")
    return Signature(certificate_url, from_base64("authorization", headers, _REFUSED))


def verify(
    signature: Signature,
    method: str,
    resources: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[RSAPublicKey],
) -> None:
    """Whether one of the keys made this signature for this push.

    Args:
        signature: what `read` found.
        method: the request's.
        resources: what may have been signed as the path: with the query, and without.
        headers: names in lower case.
        body: the request's.
        keys: of certificates that are trusted.

    Raises:
        SignatureError: none did, or for another body.
    """
    texts = [_text(method, headers, resource) for resource in resources]
    if not any(_fits(signature, text, key) for text in texts for key in keys):
        raise SignatureError(
            Reason.WRONG, "the signature does not fit: another key, another path or other headers", _REFUSED
        )
    if not any(same(headers["content-md5"], digest) for digest in _digests(body)):
        raise SignatureError(Reason.ALTERED, "the body is not the one that was signed", _REFUSED)


def _text(method: str, headers: Mapping[str, str], resource: str) -> bytes:
    described = (headers.get(name, "") for name in ("content-md5", "content-type", "date"))
    named = (f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith(PREFIX))
    return b"\n".join(map(octets, (method, *described, *named, resource)))


def _digests(body: bytes) -> tuple[str, ...]:
    """How Content-MD5 is written: its digits in base64 as documented, its digits as seen, or RFC 1864's."""
    digest = hashlib.md5(body, usedforsecurity=False)
    written = digest.hexdigest()
    in_base64 = [base64.b64encode(text).decode() for text in (written.encode(), digest.digest())]
    return (written, written.upper(), *in_base64)


def _fits(signature: Signature, text: bytes, key: RSAPublicKey) -> bool:
    try:
        key.verify(signature.value, text, PKCS1v15(), hashes.SHA1())  # noqa: S303 (SMQ's)
    except (InvalidSignature, ValueError):
        return False
    return True
