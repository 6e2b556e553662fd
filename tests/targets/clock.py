"""A clock that stands still until it is set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StandingClock:
    """Shows `time`, seconds since the epoch."""

    time: float

    def now(self) -> float:
        return self.time

    async def sleep_until(self, when: float) -> None:
        self.time = max(self.time, when)
