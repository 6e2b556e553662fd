"""What senders may cost: how large, how many, how long."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = 65_536
"""The longest request line with all header fields or trailers, in bytes."""

BODIES = 64_000_000
"""The bytes of request bodies that a process holds at one time."""

RETRY_AFTER = 5
"""Seconds after which a sender that was turned away may come again."""

LAST_CALL = 3
"""Seconds that the rest of a body may take to come when the server stops."""

LINGER = 1
"""Seconds that a refused sender has to read why, before its connection is closed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server may be asked for.

    Attributes:
        fields: the most header fields (or trailers) of a request.
        seconds: the longest that a request may take to come in, its body included.
        connections: the most connections that are served at one time; half of the 1,024 files that a
            process commonly may have open.
    """

    fields: int = 256
    seconds: float = 30.0
    connections: int = 512
