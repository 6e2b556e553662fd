"""Time, injected: nothing else in the router asks the operating system what time it is."""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol

import anyio

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that nobody sets; where the system has it, the one that goes on while the machine sleeps."""


class Clock(Protocol):
    """What the router knows of time."""

    def now(self) -> float:
        """Seconds since the epoch (UTC), as somebody has set the machine's clock."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return once as much time has passed as it is now to `when` (seconds since the epoch).

        Setting the machine's clock meanwhile makes that no longer and no shorter.
        """
        ...


class SteadyClock(Clock, Protocol):
    """A clock that also knows how time passes."""

    def steady(self) -> float:
        """Seconds since some moment. No setting of the machine's clock changes how they pass."""
        ...


class SystemClock:
    """The machine's own clock.

    Attributes:
        now: seconds since the epoch (UTC).
        steady: seconds since the machine was started.
    """

    now = staticmethod(time.time)
    steady = staticmethod(partial(time.clock_gettime, _STEADY))

    async def sleep_until(self, when: float) -> None:
        """See `Clock.sleep_until`.

        Sleeps at most a minute at a time: a machine that was put to sleep meanwhile wakes late otherwise.
        """
        until = self.steady() + when - self.now()
        while (left := until - self.steady()) > 0:  # noqa: ASYNC110 -- it is time itself that is waited for
            await anyio.sleep(min(left, 60.0))
