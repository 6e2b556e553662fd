"""What came to a source since the start: counted, not kept."""

from __future__ import annotations

from collections import Counter


class Counts:
    """One source's.

    Attributes:
        requests: that were taken, those that carried no event among them.
        events: that these held.
        quarantined: requests of verified senders that could not be read, and were kept.
        refused: requests of which nothing was kept, by why.
    """

    __slots__ = ("events", "quarantined", "refused", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.events = 0
        self.quarantined = 0
        self.refused: Counter[str] = Counter()
