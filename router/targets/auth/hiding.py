"""Takes secrets out of what a peer says: an answer that repeats them is kept, and shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

import msgspec

from router.targets.sender import Reply

HIDDEN = "***"


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """The spellings in which secrets may come back: as they are, and percent-encoded; longest first."""
    found = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def hidden(text: str, secrets: Sequence[str]) -> str:
    """A text without these."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def hidden_in(reply: Reply, secrets: Sequence[str]) -> Reply:
    """An answer without these: in its body, and in the headers."""
    body = reply.body
    for secret in secrets:
        body = body.replace(secret.encode(), HIDDEN.encode())
    headers = {name: hidden(value, secrets) for name, value in reply.headers.items()}
    return msgspec.structs.replace(reply, headers=headers, body=body)
