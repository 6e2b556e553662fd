"""q-sign-algorithm=sha1, the signature of Tencent Cloud COS and CI: HMAC-SHA1 over a request but its body.

From "Request signature" (tencentcloud.com/document/product/436/7778) and cos-python-sdk-v5 1.9.44.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote, unquote_plus

from router.signatures.base import Key, Reason, SignatureError, same
from router.signatures.fields import hold_query

_MEMBERS = (
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
)
_SPAN = re.compile(r"(\d{1,12});(\d{1,12})", re.ASCII)
_EARLIER = 60
"""Seconds before now from which on a signature of ours counts, as in the SDK: clocks differ."""


def sign(
    key: Key,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    at: float,
    lasts: int = 3600,
    signed: Sequence[str] = (),
) -> str:
    """The value of Authorization.

    Args:
        key: what to sign with.
        method: the request's.
        path: as it is sent, percent-encoded.
        query: as it is sent, without `?`; all of it is covered.
        headers: all of the request's, names in lower case.
        at: seconds since the epoch.
        lasts: how many seconds it counts.
        signed: which headers to cover; the documents' examples cover none.
    """
    span = f"{int(at) - _EARLIER};{int(at) + lasts}"
    parameters = _parameters(query)
    covered = _pairs((name, headers[name]) for name in signed)
    names = (";".join(name for name, _ in pairs) for pairs in (covered, parameters))
    signature = _signature(key, span, span, _text(method, path, parameters, covered))
    values = ("sha1", key.id, span, span, *names, signature)
    return "&".join(f"{name}={value}" for name, value in zip(_MEMBERS, values, strict=True))


def verify(
    keys: Sequence[Key], method: str, path: str, query: str, headers: Mapping[str, str], *, now: float
) -> None:
    """Hold a request to have been signed by the key that it names. Its body is not covered.

    Args:
        keys: those that may sign.
        method: the request's.
        path: as it was sent.
        query: as it was sent, without `?`.
        headers: all of the request's, names in lower case.
        now: seconds since the epoch.

    Raises:
        SignatureError: it has not, or not for now.
    """
    given = _read(headers.get("authorization"))
    hold_query(query, 403)
    key = next((key for key in keys if same(key.id, given["q-ak"])), None)
    if key is None:
        raise SignatureError(Reason.UNKNOWN_KEY, "signed with a key that is not known here", status=403)
    for name in ("q-sign-time", "q-key-time"):
        begins, ends = map(int, given[name].split(";"))
        if not begins <= now <= ends:
            raise SignatureError(
                Reason.EXPIRED, f"{name} is not now: it is too old, or a clock is wrong", status=403
            )
    parameters = [item for item in _parameters(query) if item[0] in _names(given["q-url-param-list"])]
    for host in _hosts(headers.get("host", "")):
        seen = {**headers, "host": host}
        names = _names(given["q-header-list"])
        covered = [item for item in _pairs(seen.items()) if item[0] in names]
        text = _text(method, path, parameters, covered)
        expected = _signature(key, given["q-key-time"], given["q-sign-time"], text)
        if same(expected, given["q-signature"]):
            return
    raise SignatureError(
        Reason.WRONG, "the signature does not fit: another key, or another request", status=403
    )


def _read(authorization: str | None) -> dict[str, str]:
    """The members of a signature; each of them is there, and its times are two numbers."""
    if not authorization:
        raise SignatureError(Reason.MISSING, "not signed: there is no Authorization header", status=403)
    pairs = (part.partition("=") for part in authorization.strip().split("&"))
    given = {name: value for name, _, value in pairs}
    fits = given.keys() >= set(_MEMBERS) and given["q-sign-algorithm"] == "sha1"
    if not fits or not all(_SPAN.fullmatch(given[name]) for name in ("q-sign-time", "q-key-time")):
        raise SignatureError(
            Reason.UNFIT, f"Authorization does not hold {', '.join(_MEMBERS)} (sha1)", status=403
        )
    return given


def _names(listed: str) -> set[str]:
    return {name.lower() for name in listed.split(";")}


def _hosts(host: str) -> tuple[str, ...]:
    """What a signature may have taken for the host: the Python SDK leaves the port out, which it sends."""
    name, _, port = host.rpartition(":")
    return (host, name) if name and port.isdecimal() else (host,)


def _parameters(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return _pairs((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)


def _pairs(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names in lower case and values, both percent-encoded, in order."""
    return sorted((quote(name, safe="").lower(), quote(value, safe="")) for name, value in items)


def _text(
    method: str, path: str, parameters: Sequence[tuple[str, str]], headers: Sequence[tuple[str, str]]
) -> str:
    """The request as it is signed: `HttpString`. The path stands in it decoded."""
    lines = ["&".join(f"{name}={value}" for name, value in pairs) for pairs in (parameters, headers)]
    return "\n".join((method.lower(), unquote(path), *lines, ""))


def _signature(key: Key, key_span: str, span: str, text: str) -> str:
    digest = hashlib.sha1(text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()
    secret = _hmac(key.secret, key_span)
    return _hmac(secret, f"sha1\n{span}\n{digest}\n")


def _hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha1).hexdigest()
