"""What has arrived, in memory that the receiver writes and the load reads: no message passes between them."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HOOKS = 5
"""How many addresses the receiver has."""

CAPACITY = 1 << 18
"""How many events a window may have at most."""


class Board:
    """Arrivals at each hook: how many, and when each of the last `CAPACITY` numbers came.

    Args:
        words: where they stand: a count for each hook, then a time for each slot of each hook.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def note(self, hook: int, numbers: Sequence[int], now: int) -> None:
        """These arrived at `now` (nanoseconds of the monotonic clock, which all processes share)."""
        words = self._words
        base = HOOKS + hook * CAPACITY
        for number in numbers:
            words[base + number % CAPACITY] = now
        words[hook] += len(numbers)  # after the times: who sees the count finds these

    def count(self, hook: int) -> int:
        """How many have arrived there."""
        found: int = self._words[hook]
        return found

    def arrival(self, hook: int, number: int) -> int:
        """When it came there, or one that long before; 0 for never."""
        found: int = self._words[HOOKS + hook * CAPACITY + number % CAPACITY]
        return found


@contextmanager
def board(path: Path) -> Iterator[Board]:
    """The board in a file, made where there is none, as long as the context is open."""
    size = 8 * HOOKS * (1 + CAPACITY)
    with path.open("a+b") as file:
        file.truncate(size)
        with (
            contextlib.closing(mmap.mmap(file.fileno(), size)) as mapped,
            memoryview(mapped) as raw,
            raw.cast("q") as words,
        ):
            yield Board(words)
