"""A clock set by hand, which somebody else may set as well."""

from __future__ import annotations

from tests.support import HandClock


class JumpingClock(HandClock):
    """A `SteadyClock`: time passes when a test says so, and the wall clock may be set meanwhile."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        super().__init__(now)
        self._ahead = 0.0

    def now(self) -> float:
        return self.steady() + self._ahead

    def steady(self) -> float:
        return super().now()

    async def sleep_until(self, when: float) -> None:
        until = when - self._ahead
        while self.steady() < until:
            await self._moved.wait()

    def set(self, now: float) -> None:
        """Time has passed, and it is `now`: wake whoever waited for it."""
        super().set(now - self._ahead)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        super().set(self.steady() + seconds)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forth or back. No time passes."""
        self._ahead += seconds
