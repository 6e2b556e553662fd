"""How many deliveries may begin in a time. Pure: times come in, numbers go out."""

from __future__ import annotations

BURST = 0.1
"""Seconds whose share may begin at once beside the one that is due: who is late for it loses nothing."""


class Bucket:
    """A token bucket: it fills at `rate` tokens a second, and each delivery takes one.

    Over any time, `rate` for each second of it and what it has `room` for may begin, and not one more.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.room = 1.0 + rate * BURST
        self._tokens = self.room
        self._filled = 0.0

    def take(self, most: int, now: float) -> int:
        """Take up to `most` tokens; how many these are, 0 where there is no whole one."""
        passed = max(0.0, now - self._filled)
        self._filled = now
        self._tokens = min(self.room, self._tokens + passed * self.rate)
        taken = min(most, int(self._tokens))
        self._tokens -= taken
        return taken

    def give_back(self, tokens: int) -> None:
        """Put back what was not used."""
        self._tokens = min(self.room, self._tokens + tokens)

    def wait(self) -> float:
        """Seconds from the last `take` until there is a whole token."""
        return max(0.0, 1.0 - self._tokens) / self.rate
