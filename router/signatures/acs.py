"""The signatures of Alibaba Cloud's APIs, as the two generations of its SDKs make them.

- `acs:ID:signature`: HMAC-SHA1 over method, Content-MD5, Content-Type, Date, the `x-acs-` headers and the
  path, as `alibabacloud_eventbridge_util` 0.0.3 computes it. The body is covered only by a Content-MD5, which
  this SDK does not send.
- `ACS3-HMAC-SHA256 Credential=…`: HMAC-SHA256 over a canonical request that holds the body's digest, as
  `alibabacloud_tea_openapi` 0.4.6 computes it ("V3 request body & signature",
  alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from router.signatures.base import Key, Reason, SignatureError, same
from router.signatures.fields import hold_query, http_date, octets

_REFUSED = 403
"""What EventBridge's API answers, whatever is wrong (alibabacloud.com/help/en/eventbridge/error-codes)."""

SKEW = 900.0
"""Seconds that a request's time may differ from ours: Alibaba's own 15 minutes."""

_V1 = re.compile(r"acs[: ]([^:\s]+):(\S+)", re.ASCII)
_V3 = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-fA-F]{64})", re.ASCII
)

_NEEDED = ("host", "x-acs-action", "x-acs-content-sha256", "x-acs-date")
"""What a V3 signature has to cover here: where it goes, what it asks for, its body and its time."""


def verify(
    keys: Sequence[Key],
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
) -> bool:
    """Whether one of the keys signed this request, with either signature.

    Path and query are as sent, undecoded; names of headers in lower case; `now` is seconds since the epoch.

    Returns:
        Whether the signature covers the body.

    Raises:
        SignatureError: it is not signed, not for now, by no key that is known, or for another body.
    """
    authorization = headers.get("authorization", "").strip()
    if not authorization:
        raise SignatureError(Reason.MISSING, "not signed: there is no Authorization header", _REFUSED)
    hold_query(query, _REFUSED)
    if found := _V1.fullmatch(authorization):
        _in_time(http_date(headers.get("date", "")), now)
        named = _named(keys, found[1])
        text = _text_v1(method, path, query, headers)
        made = [hmac.digest(key, text, hashlib.sha1) for key in named]
        _fit(map(base64.b64encode, made), found[2])
        return _fits_md5(headers.get("content-md5", ""), body)
    if found := _V3.fullmatch(authorization):
        _in_time(_utc(headers.get("x-acs-date", "")), now)
        covered, named = _covered(found[2]), _named(keys, found[1])
        text = _text_v3(method, path, query, headers, covered)
        made = [hmac.digest(key, text, hashlib.sha256) for key in named]
        _fit((one.hex().encode() for one in made), found[3].lower())
        _cover(headers.get("x-acs-content-sha256", "").lower(), hashlib.sha256(body).hexdigest())
        return True
    raise SignatureError(
        Reason.UNFIT,
        "Authorization is neither `acs:ID:signature` nor `ACS3-HMAC-SHA256 Credential=…`",
        _REFUSED,
    )


def _covered(listed: str) -> list[str]:
    """The names of the headers that a V3 signature covers."""
    names = listed.lower().split(";")
    lacking = [name for name in _NEEDED if name not in names]
    if lacking:
        raise SignatureError(Reason.UNFIT, f"the signature does not cover the header {lacking[0]}", _REFUSED)
    return names


def _named(keys: Sequence[Key], name: str) -> list[bytes]:
    """The secrets of an id: there may be two, while one takes the other's place."""
    found = [key.secret.encode() for key in keys if same(key.id, name)]
    if not found:
        raise SignatureError(Reason.UNKNOWN_KEY, "the access key that signed it is not configured", _REFUSED)
    return found


def _utc(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _in_time(sent: float | None, now: float) -> None:
    if sent is None:
        raise SignatureError(Reason.UNFIT, "the signed time, x-acs-date or Date, cannot be read", _REFUSED)
    if abs(now - sent) > SKEW:
        raise SignatureError(
            Reason.EXPIRED,
            f"signed more than {SKEW / 60:.0f} minutes from now: it is a repetition, or a clock is wrong",
            _REFUSED,
        )


def _fit(made: Iterable[bytes], signature: str) -> None:
    if not any(same(one, octets(signature)) for one in made):
        raise SignatureError(
            Reason.WRONG, "the signature does not fit: another secret, or another request", _REFUSED
        )


def _fits_md5(signed: str, body: bytes) -> bool:
    """Whether the body is covered, by a Content-MD5 that fits it."""
    if not signed:
        return False
    _cover(signed, base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())
    return True


def _cover(signed: str, digest: str) -> None:
    if not same(signed, digest):
        raise SignatureError(Reason.ALTERED, "the body is not the one that was signed", _REFUSED)


def _text_v1(method: str, path: str, query: str, headers: Mapping[str, str]) -> bytes:
    described = (headers.get(name, "") for name in ("content-md5", "content-type", "date"))
    named = (f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-acs"))
    pairs = (unquote_to_bytes(part.replace("+", " ")) for part in query.split("&") if part)
    resource = octets(path) + (b"?" + b"&".join(sorted(pairs)) if query else b"")
    return b"\n".join((*map(octets, (method, *described, *named)), resource))


def _text_v3(method: str, path: str, query: str, headers: Mapping[str, str], signed: Sequence[str]) -> bytes:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    canonical = b"\n".join(
        (
            method.encode(),
            quote(unquote_to_bytes(path), safe="/~").encode(),
            "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs).encode(),
            *(octets(f"{name}:{headers.get(name, '').strip()}") for name in sorted(signed)),
            b"",
            ";".join(sorted(signed)).encode(),
            octets(headers.get("x-acs-content-sha256", "")),
        )
    )
    return b"ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical).hexdigest().encode()


def _encoded(text: str) -> str:
    """A query's name or value in the one way of percent-encoding."""
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe="~")
