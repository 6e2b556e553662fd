"""Time, injected: nothing else in the router asks the operating system what time it is."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """What the router knows of time."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return once `now()` has reached `when` (seconds since the epoch)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        return time.time()

    async def sleep_until(self, when: float) -> None:
        """Return once `now()` has reached `when`.

        Sleeps at most a minute at a time: a wall clock may be set forward meanwhile.
        """
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 -- it is time itself that is waited for
            await anyio.sleep(min(left, 60.0))
