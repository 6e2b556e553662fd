"""Bearer tokens: in the Authorization header, or as `access_token` in the query.

HTTP 1.1 Web Hooks for CloudEvents 1.0.2, section 3, has a receiver take both, and leans on RFC 6750 for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from router.signatures.base import Reason, SignatureError, same
from router.sources.base import Request

_PARAMETER = "access_token"

_REALM = 'Bearer realm="CloudEvents"'
_FAULTS = {
    Reason.MISSING: _REALM,  # RFC 6750, section 3.1: where nothing was tried, no error is named
    Reason.WRONG: f'{_REALM}, error="invalid_token"',
    Reason.UNFIT: f'{_REALM}, error="invalid_request"',
}


def check(tokens: Sequence[bytes], request: Request) -> None:
    """Let pass who names one of these tokens.

    Raises:
        SignatureError: 401 where no token is named, or one that is not among them; 400 where there are two
            different ones (RFC 6750, section 3.1), even if one of them is right.
    """
    named = _named(request)
    if not named:
        told = "no token: send `Authorization: Bearer …`, or `?access_token=…` where that cannot be"
        raise SignatureError(Reason.MISSING, told)
    if len(named) > 1:
        told = "different tokens in Authorization and access_token; send one of them"
        raise SignatureError(Reason.UNFIT, told, HTTPStatus.BAD_REQUEST)
    (token,) = named
    fits = [same(token, known) for known in tokens]  # all, so that the time does not tell which one it is
    if not any(fits):
        raise SignatureError(Reason.WRONG, "the token is none of those that this source takes")


def challenge(error: SignatureError) -> str:
    """The field WWW-Authenticate that a refusal carries (RFC 6750, section 3)."""
    return _FAULTS[error.reason]


def in_query(request: Request) -> bool:
    """Whether a token stands in the query."""
    return any(name == _PARAMETER for name, _ in _pairs(request.query))


def _named(request: Request) -> set[bytes]:
    """The tokens of a request, each once; none for an empty one, and for another scheme than Bearer."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    found = {token.strip().encode("latin-1", "replace")} if scheme.lower() == "bearer" else set()
    found |= {unquote_to_bytes(value) for name, value in _pairs(request.query) if name == _PARAMETER}
    return found - {b""}


def _pairs(query: str) -> list[tuple[str, str]]:
    """A query's parameters, undecoded.

    Section 3.2 goes by RFC 3986, where `+` is a plus: a token in base64 has it, and none has a space.
    """
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
