"""The signatures of Alibaba EventBridge's HTTP pushes, made with the private key of a certificate.

Version 2 (`x-eventbridge-signature-v2`) is RSA-SHA256 over the push. Version 1 is HMAC-SHA1 over it, with a
secret that stands beside it, encrypted with the private key: whoever has the certificate can read it, so
whoever has ever got one push can sign others. What is signed is

    the URL as it is configured at EventBridge, with its query, and a line end
    `name: value` and a line end, for each header in the order below
    the body

and perhaps another line end: the documentation has it, the helper code has not, so both count.

From "Signature algorithm" (help.aliyun.com/en/eventbridge/user-guide/signature-algorithm) for version 2, and
aliyun/alibabacloud-eventbridge-sdk, util/java, `SignatureVerify` and `StringToSignBuilder` for version 1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from router.signatures.base import Reason, SignatureError, same
from router.signatures.fields import from_base64, octets

Version = Literal["v1", "v2"]

WINDOW = 60.0
"""Seconds that the sender's clock may differ from ours, either way."""

PREFIX = "x-eventbridge-"
TIMESTAMP = "x-eventbridge-signature-timestamp"
URL = "x-eventbridge-signature-url"
TOKEN = "x-eventbridge-signature-token"  # noqa: S105 (a header's name)

_VERSION = "x-eventbridge-signature-version"
_SECRET = "x-eventbridge-signature-secret"  # noqa: S105 (likewise)
_SIGNATURE: Mapping[Version, str] = {"v2": "x-eventbridge-signature-v2", "v1": "x-eventbridge-signature"}
_METHOD: Mapping[Version, tuple[str, str]] = {
    "v2": ("x-eventbridge-hash-method", "SHA256"),
    "v1": ("x-eventbridge-signature-method", "HMAC-SHA1"),
}
_LONGEST_TIME = 15
"""Digits of a time in milliseconds; today's have 13."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A push's signature, taken apart.

    Attributes:
        certificate_url: where the sender says its certificate is.
        secret: version 1's, encrypted.
    """

    version: Version
    certificate_url: str
    value: bytes = field(repr=False)
    secret: bytes = field(repr=False, default=b"")


def sign(
    private_key: RSAPrivateKey,
    certificate_url: str,
    url: str,
    body: bytes,
    *,
    at: float,
    version: Version = "v2",
    token: str | None = None,
    newline: bool = False,
) -> dict[str, str]:
    """The header fields that sign a push.

    Args:
        private_key: the sender's.
        certificate_url: where the receiver finds the certificate that belongs to it.
        url: where the push goes, with its query.
        body: what is pushed.
        at: seconds since the epoch.
        version: which signature.
        token: what the receiver knows its sender by.
        newline: whether a line end after the body is signed as well.
    """
    method, algorithm = _METHOD[version]
    headers = {TIMESTAMP: str(round(at * 1000)), method: algorithm, _VERSION: "1.0", URL: certificate_url}
    if token is not None:
        headers[TOKEN] = token
    text = _text(version, url, headers) + body + (b"\n" if newline else b"")
    if version == "v2":
        value = private_key.sign(text, PKCS1v15(), hashes.SHA256())
    else:
        secret = secrets.token_hex(16).encode()
        wrapped = private_key.sign(secret, PKCS1v15(), NoDigestInfo())
        headers[_SECRET] = base64.b64encode(wrapped).decode()
        value = hmac.digest(secret, text, hashlib.sha1)
    return {**headers, _SIGNATURE[version]: base64.b64encode(value).decode()}


def read(headers: Mapping[str, str], *, now: float) -> Signature:
    """What a push is signed with. Version 2 counts for more, where it has both.

    Args:
        headers: names in lower case.
        now: seconds since the epoch.

    Raises:
        SignatureError: it is not signed, not for now, or in a way that is not known.
    """
    version: Version = "v2" if _SIGNATURE["v2"] in headers else "v1"
    wanted = [_SIGNATURE[version], TIMESTAMP, URL, *([_SECRET] if version == "v1" else [])]
    missing = [name for name in wanted if not headers.get(name)]
    if missing:
        raise SignatureError(Reason.MISSING, f"not signed by EventBridge: {missing[0]} is missing")
    method, algorithm = _METHOD[version]
    if headers.get(method) != algorithm:
        raise SignatureError(Reason.UNFIT, f"{method}: only {algorithm} is known")
    timestamp = headers[TIMESTAMP]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIME):
        raise SignatureError(Reason.UNFIT, f"{TIMESTAMP}: no time in milliseconds")
    if abs(now - int(timestamp) / 1000) > WINDOW:
        raise SignatureError(
            Reason.EXPIRED,
            f"signed more than {WINDOW:.0f} s from now: it is a repetition, or a clock is wrong",
        )
    value = from_base64(_SIGNATURE[version], headers)
    secret = from_base64(_SECRET, headers) if version == "v1" else b""
    return Signature(version, headers[URL], value, secret)


def verify(
    signature: Signature, url: str, headers: Mapping[str, str], body: bytes, keys: Sequence[RSAPublicKey]
) -> None:
    """Whether one of the keys made this signature for this push.

    Raises:
        SignatureError: none did.
    """
    text = _text(signature.version, url, headers) + body
    if not any(_fits(signature, variant, key) for variant in (text, text + b"\n") for key in keys):
        raise SignatureError(
            Reason.WRONG, "the signature does not fit: another key, another public_url or another body", 403
        )


def _text(version: Version, url: str, headers: Mapping[str, str]) -> bytes:
    """What is signed, up to the body."""
    return b"".join(line + b"\n" for line in (url.encode(), *_lines(version, headers)))


def _lines(version: Version, headers: Mapping[str, str]) -> Iterator[bytes]:
    method = _METHOD[version][0]
    for name in (TIMESTAMP, method, _VERSION, URL, TOKEN):
        if name in headers:
            yield f"{name}: ".encode() + octets(headers[name])


def _fits(signature: Signature, text: bytes, key: RSAPublicKey) -> bool:
    try:
        if signature.version == "v2":
            key.verify(signature.value, text, PKCS1v15(), hashes.SHA256())
            return True
        secret = key.recover_data_from_signature(signature.secret, PKCS1v15(), None)
    except (InvalidSignature, ValueError):
        return False
    return same(hmac.digest(secret, text, hashlib.sha1), signature.value)
