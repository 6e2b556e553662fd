"""Remembering, within bounds, what was found."""

from __future__ import annotations

from collections.abc import Callable
from sys import getsizeof
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 10_000
"""Keys."""
LONGEST = 1_000
"""Bytes of a key."""
_HEAVIEST = 100_000
"""What all values may weigh."""


class Memo(dict[K, V], Generic[K, V]):
    """Remembers what a function gives.

    Attributes:
        find: the function.
    """

    __slots__ = ("_room", "_weight", "find")

    def __init__(self, find: Callable[[K], V], weight: Callable[[V], int]) -> None:
        super().__init__()
        self.find = find
        self._weight = weight
        self._room = _HEAVIEST

    def __missing__(self, key: K) -> V:
        found = self.find(key)
        if getsizeof(key) <= LONGEST:
            self[key] = found
            self._room -= self._weight(found)
            if self._room < 0 or len(self) > MOST:
                self.clear()
                self._room = _HEAVIEST
        return found
