"""Where in a log a sequence or a time stands: a little of it in memory, whatever the size of its groups."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right

from router.store.log.format import BEGIN
from router.store.log.walking import Damage, Group

STRETCH = 65_536
"""Every so many bytes the index knows of a group: of a segment of 256 MB it has some 4,000 entries."""


class Index:
    """What is known of a log from its groups' heads. One thread adds to it while others look.

    Attributes:
        end: up to where it knows the log.
        first, last: the lowest and the highest sequence; (0, -1) where there is none.
        count: how many events there are.
    """

    def __init__(self) -> None:
        self.end = BEGIN
        self.first, self.last = 0, -1
        self.count = 0
        self._is_damaged = False
        self._places = array("q")
        self._firsts = array("q")
        self._newest = array("d")  # of all up to the end of this stretch: so it rises, whatever clocks do

    @property
    def newest(self) -> float | None:
        """When the newest event was received, seconds since the epoch; None where there is none."""
        return self._newest[-1] if self._newest else None

    def add(self, item: Group | Damage) -> None:
        """Know of what stands at the end."""
        if isinstance(item, Damage):
            self.end = item.end
            self._is_damaged = True
            return
        head = item.head
        if head.is_end:
            self.end = item.end
            return
        newest = max(head.newest, self._newest[-1] if self._newest else -math.inf)
        if not self._places or item.at - self._places[-1] >= STRETCH:
            self._places.append(item.at)  # in this order: who finds an entry finds all of it
            self._firsts.append(head.first)
            self._newest.append(newest)
        else:
            self._newest[-1] = newest
        self.first = self.first if self.count else head.first
        self.last = head.last
        self.count += head.events
        self.end = item.end

    def of_sequence(self, sequence: int) -> tuple[int, int]:
        """A place from which on to look for a sequence, and what those from there on are above."""
        entry = bisect_right(self._firsts, sequence) - 1
        return (BEGIN, -1) if entry < 0 else self._entry(entry)

    def of_time(self, when: float) -> tuple[int, int] | None:
        """Likewise for the first event received at `when` (seconds since the epoch) or later.

        None where there is no such event; where some cannot be read, nobody knows what these would say.
        """
        if self._is_damaged:
            return BEGIN, -1
        entry = bisect_left(self._newest, when)
        return self._entry(entry) if entry < len(self._newest) else None

    def _entry(self, entry: int) -> tuple[int, int]:
        return self._places[entry], self._firsts[entry] - 1
