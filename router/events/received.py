"""What a source makes of one request: events, what it had to be lenient about, the sender's own bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from router.events.model import Event


class Original(msgspec.Struct, frozen=True, gc=False):
    """A sender's request body, byte for byte, where the events alone no longer hold it."""

    body: bytes
    content_type: str | None = None


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One event read from a request.

    Attributes:
        notes: what the source was lenient about, as `what-it-did` words (`specversion-defaulted`,
            `trailing-comma`). They stand in the audit record, never in the event.
    """

    event: Event
    notes: tuple[str, ...] = ()


class Received(msgspec.Struct, frozen=True, gc=False):
    """One request, read.

    Attributes:
        readings: in the sender's order; empty for a request that carries no event (a cloud's own probe).
        original: the request body, where an adapter split or converted it; None where every event
            holds its sender's bytes.
        reply: what the source itself wants to remember for its answer.
        left: what of the request was not taken, as its sender is told: how many entries, by why.
    """

    readings: tuple[Reading, ...]
    original: Original | None = None
    reply: Any = None
    left: dict[str, int] | None = None
