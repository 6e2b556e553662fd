"""Takes secrets out of what a peer says: an answer that repeats them is kept, and shown to people."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

from router.targets.sender import Reply
from router.transforms.templates import parts

HIDDEN = "***"

_LONG: Final = 8
"""Characters from which on any header's value may be a secret, and a secret's base64 is no other text."""

_SHORT: Final = 4
"""The same for a value whose name says that it is one."""

_SECRET_NAME = re.compile(r"(?i)auth|cookie|credential|key|passw|secret|sign|token")
_OPEN_NAME = re.compile(r"(?i)(?:accept(?:-.*)?|user-agent)\Z")
_BETWEEN = re.compile(r"[\s,;=]+")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def says_secret(name: str) -> bool:
    """Whether the name of a header says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def in_headers(headers: Mapping[str, str]) -> Iterator[str]:
    """What may be secret in headers as they are written: values, and of templates what stands between.

    Of those whose names say so, also the words: a token without `Bearer`, a cookie without its name.
    """
    for name, value in headers.items():
        if _OPEN_NAME.match(name):
            continue
        is_secret = says_secret(name)
        for text in (part.strip() for _, part in parts(value) if isinstance(part, str)):
            words = _BETWEEN.split(text)[1:] if is_secret else ()
            yield from (one for one in (text, *words) if len(one) >= (_SHORT if is_secret else _LONG))


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """The spellings in which secrets may come back, longest first.

    As they are, percent-encoded, as JSON escapes them, and in base64 if they are long enough.
    """
    found = {form for secret in secrets for form in _spellings(secret)}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield _PERCENT.sub(lambda found: found[0].lower(), quoted)
    for escaped in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
    if len(secret) >= _LONG:
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(secret.encode()).decode().rstrip("=")


def hidden(text: str, secrets: Sequence[str]) -> str:
    """A text without these."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def hidden_in(reply: Reply, secrets: Sequence[str]) -> Reply:
    """An answer without these: in its body, and in the headers."""
    if not reply.body and not reply.headers:
        return reply
    body = reply.body
    for secret in secrets:
        body = body.replace(secret.encode(), HIDDEN.encode())
    headers = {name: hidden(value, secrets) for name, value in reply.headers.items()}
    return msgspec.structs.replace(reply, headers=headers, body=body)
