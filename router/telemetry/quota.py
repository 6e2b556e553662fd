"""How often the log says the same thing: so many lines a minute, and then how many were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from router.clock import Clock

LINES = 20
"""Lines a minute for each key."""

MINUTE = 60.0
"""Seconds."""

K = TypeVar("K", bound=Hashable)


class Quota(Generic[K]):
    """So many lines a minute for each key, and how many were left out beyond."""

    def __init__(self, clock: Clock, most: int = LINES) -> None:
        self._clock = clock
        self._most = most
        self._minutes: dict[K, tuple[float, int]] = {}
        self._left_out: Counter[K] = Counter()

    @property
    def owes(self) -> bool:
        """Whether something was left out that nobody was told of."""
        return bool(self._left_out)

    def admits(self, key: K) -> bool:
        """Whether one more line may be written. A key's minute begins with its first line."""
        began, lines = self._minutes.get(key, (0.0, 0))
        if not lines or self._is_over(began):
            began, lines = self._clock.now(), 0
        self._minutes[key] = began, lines + 1
        if lines < self._most:
            return True
        self._left_out[key] += 1
        return False

    def ended(self) -> dict[K, int]:
        """How many lines were left out in minutes that are over; each is told once."""
        over = [key for key in self._left_out if self._is_over(self._minutes[key][0])]
        return {key: self._left_out.pop(key) for key in over}

    def rest(self) -> dict[K, int]:
        """As `ended`, of minutes that go on as well."""
        found, self._left_out = dict(self._left_out), Counter()
        return found

    def _is_over(self, began: float) -> bool:
        # A clock that was set back must not keep a minute open for hours.
        return not 0 <= self._clock.now() - began < MINUTE
