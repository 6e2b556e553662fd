"""bce-auth-v1, the signature of Baidu AI Cloud: HMAC-SHA256 over method, path, query and some headers.

From "Generate authentication string" (cloud.baidu.com/doc/Reference/s/njwvz1yfu) and what the signer of
bce-python-sdk 0.9.79 does. The body is covered only through a signed header that holds its digest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from router.signatures.address import Address
from router.signatures.base import Key, Reason, SignatureError, same
from router.signatures.fields import hold_query

LONGEST = 3600
"""Seconds that a signature counts at most, whatever it says itself (-1 is "for ever"): SDKs say 1,800."""

SKEW = 300.0
"""Seconds that the sender's clock may differ from ours."""

MD5 = "content-md5"
SHA256 = "x-bce-content-sha256"

_USUAL = frozenset(("host", MD5, "content-length", "content-type"))
"""What is signed, with all of `x-bce-`, where a signature names no headers."""

_AUTHORIZATION = re.compile(
    r"(bce-auth-v1/[^/]+/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/(-1|\d{1,9}))/([^/]*)/([0-9a-f]{64})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class _Signature:
    """An Authorization header's value, taken apart.

    Attributes:
        prefix: what the signing key is made of, as it was sent.
        begins, ends: seconds since the epoch.
        named: the headers it says it covers, in lower case; empty for the usual ones.
    """

    prefix: str
    begins: float
    ends: float
    named: frozenset[str]
    digest: str


def sign(
    key: Key,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    at: float,
    expires: int = 1800,
    signed: Sequence[str] | None = None,
) -> str:
    """The value of Authorization.

    Args:
        key: what to sign with.
        method: the request's.
        path: as it is sent, percent-encoded or not.
        query: as it is sent, without `?`.
        headers: all of the request's, names in lower case.
        at: seconds since the epoch.
        expires: how many seconds it counts.
        signed: which headers to cover; None for Host, Content-MD5, -Length, -Type and all of `x-bce-`. Who
            names some should name all of `x-bce-`: some verifiers take those in any case.
    """
    prefix = f"bce-auth-v1/{key.id}/{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}/{expires}"
    covered = _usual(headers) if signed is None else frozenset(signed)
    lines = _sorted(_lines(headers, covered).values())
    digest = _hmac(_hmac(key.secret, prefix), _text(method, _path(path), _query(query), lines))
    return f"{prefix}/{';'.join(sorted(signed or ()))}/{digest}"


def verify(
    keys: Sequence[Key],
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    known_as: Address | None = None,
) -> bool:
    """Hold a request to have been signed by one of the keys, whichever key id it names.

    Which key id Baidu's notifications name is not documented.

    Args:
        keys: any of them may have signed.
        method: the request's.
        path: as it was sent.
        query: as it was sent, without `?`.
        headers: all of the request's, names in lower case.
        body: compared with Content-MD5 and x-bce-content-sha256 where those are signed.
        now: seconds since the epoch.
        known_as: where it may have been sent, if a proxy has changed path or Host since.

    Returns:
        Whether the signature covers the body.

    Raises:
        SignatureError: none of them has, or not for now, or for another body.
    """
    signature = _read(headers.get("authorization"))
    if not signature.begins - SKEW <= now <= signature.ends + SKEW:
        raise SignatureError(
            Reason.EXPIRED, "the signature does not count now: it is too old, or a clock is wrong"
        )
    hold_query(query)
    secrets = [_hmac(key.secret, signature.prefix) for key in keys]
    for covered, text in _texts(signature.named, method, path, query, headers, known_as):
        if any(same(_hmac(secret, text), signature.digest) for secret in secrets):
            return _is_covered(body, headers, covered)
    raise SignatureError(
        Reason.WRONG, "the signature does not fit: another key, or another request", status=403
    )


def digests(body: bytes) -> dict[str, str]:
    """The header that has to be signed for a signature to cover this body."""
    return {SHA256: hashlib.sha256(body).hexdigest()}


def _read(authorization: str | None) -> _Signature:
    if not authorization:
        raise SignatureError(Reason.MISSING, "not signed: there is no Authorization header")
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    begins = None if found is None else _seconds(found[2])
    if found is None or begins is None:
        raise SignatureError(
            Reason.UNFIT, "Authorization is not bce-auth-v1/key/time/seconds/headers/signature"
        )
    lasts = int(found[3])
    ends = begins + (LONGEST if lasts < 0 else min(lasts, LONGEST))
    named = frozenset(name.strip().lower() for name in found[4].split(";") if name.strip())
    return _Signature(found[1], begins, ends, named, found[5])


def _seconds(time: str) -> float | None:
    """Since the epoch; None for a day that no calendar has."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


def _coverings(named: frozenset[str], headers: Mapping[str, str]) -> Iterator[frozenset[str]]:
    """The sets of headers that a signature may mean.

    Where it names some, Baidu's Python SDK covers all of `x-bce-` in any case; its Ruby SDK does not.
    """
    if not named:
        yield _usual(headers)
        return
    yield named
    if (more := named | _bce(headers)) != named:
        yield more


def _texts(
    named: frozenset[str],
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    known_as: Address | None,
) -> Iterator[tuple[frozenset[str], str]]:
    """What may have been signed, with the headers that it covers. Each part is encoded once."""
    paths = dict.fromkeys(_path(one) for one in (path, *([known_as.path] if known_as else ())))
    parameters = _query(query)
    for covered in _coverings(named, headers):
        lines = _lines(headers, covered)
        variants = [_sorted(lines.values())]
        if known_as is not None and "host" in covered:
            variants.append(_sorted({**lines, **_lines({"host": known_as.host}, ["host"])}.values()))
        for lined, one in itertools.product(dict.fromkeys(variants), paths):
            yield covered, _text(method, one, parameters, lined)


def _usual(headers: Mapping[str, str]) -> frozenset[str]:
    return _USUAL | _bce(headers)


def _bce(headers: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name in headers if name.startswith("x-bce-"))


def _text(method: str, path: str, query: str, lines: str) -> str:
    """The request as it is signed, of parts that are in the one form already."""
    return f"{method.upper()}\n{path}\n{query}\n{lines}"


def _path(path: str) -> str:
    return _sent(path, "/")


def _query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(
        sorted(f"{_sent(name)}={_sent(value)}" for name, _, value in pairs if name.lower() != "authorization")
    )


def _lines(headers: Mapping[str, str], covered: Iterable[str]) -> dict[str, str]:
    """Each header's line, by its name. Blank headers do not count."""
    return {
        name: f"{_encoded(name)}:{_encoded(value)}"
        for name in covered
        if (value := headers.get(name, "").strip())
    }


def _sorted(lines: Iterable[str]) -> str:
    """Lines are sorted, not names."""
    return "\n".join(sorted(lines))


def _sent(text: str, safe: str = "") -> str:
    """What is percent-encoded in some way or other, percent-encoded in the one way."""
    return quote(unquote_to_bytes(text), safe=safe)


def _encoded(text: str) -> str:
    """RFC 3986, section 2.3: everything but unreserved characters. Headers come in as Latin-1."""
    try:
        return quote(text.encode("latin-1"), safe="")
    except UnicodeEncodeError:
        return quote(text, safe="", errors="surrogatepass")


def _hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def _is_covered(body: bytes, headers: Mapping[str, str], covered: frozenset[str]) -> bool:
    """Whether a signed header holds the body's digest. One that holds another's is an error."""
    found = [
        same(value, _md5(body)) if name == MD5 else same(value.lower(), digests(body)[SHA256])
        for name in (MD5, SHA256)
        if name in covered and (value := headers.get(name, "").strip())
    ]
    if not all(found):
        raise SignatureError(Reason.ALTERED, "the body is not the one that was signed", status=403)
    return bool(found)


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
