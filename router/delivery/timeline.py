"""The engine's time: as the wall clock shows it, but nobody can set it."""

from __future__ import annotations

from router.clock import SteadyClock

LEAN = 0.01
"""How much faster or slower than time itself it runs until it agrees with the wall clock again."""

FAR = 86_400.0
"""Seconds; a wall clock that is set forth by more had never been set, as on a machine that just started."""

EXACT = 1e-6
"""Seconds below which two times are the same: so far from 1970, a float knows quarters of a microsecond."""


class Timeline:
    """A `Clock` that never jumps.

    What waits for a retry and what counts towards giving up is written in the wall clock's time. When that is
    set (by NTP, by hand, by a machine that wakes up), this time goes on as if nothing had happened, and then
    leans towards the new one, as adjtime(3) does: an hour is made up for in a hundred. Only a clock that is
    set forth by more than a day is followed at once.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._asked = clock.steady()
        self._now = clock.now()

    def not_before(self, when: float) -> None:
        """Begin at `when` (seconds since the epoch) if that is later: it has been then already."""
        self._now = max(self.now(), when)

    def now(self) -> float:
        """Seconds since the epoch. It never goes back."""
        clock = self._clock
        steady = clock.steady()
        now = self._now = leaning(self._now, steady - self._asked, clock.now())
        self._asked = steady
        return now

    async def sleep_until(self, when: float) -> None:
        """Return once `now()` has reached `when`."""
        while (left := when - self.now()) > EXACT:
            await self._clock.sleep_until(self._clock.now() + left)
        self._now = max(self._now, when)


def leaning(now: float, passed: float, wall: float) -> float:
    """What time it is, `passed` seconds after `now`, when the wall clock shows `wall`."""
    ahead = wall - now - passed
    lean = LEAN * passed
    if -EXACT - lean <= ahead <= lean + EXACT or ahead > FAR:
        return max(now, wall)
    return now + passed + (lean if ahead > 0 else -lean)
