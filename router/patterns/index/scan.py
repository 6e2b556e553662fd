"""One pass over an event: what its values find at the root of the tree, while they are being decoded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import compress
from typing import Any, ClassVar

from router.patterns.index.finders import Finder, Table, nothing
from router.patterns.index.lookup import Lookup, flat
from router.patterns.index.memo import Memo
from router.patterns.index.numbers import Slots
from router.patterns.index.recording import Reader, Segments, UnreadableError
from router.patterns.index.tree import Hit

Getter = Callable[[Any], Hit | None]


class Scan:
    """What one event's values find. It must be released before the next.

    Attributes:
        found: what was found so far.
        met: the scalars of the fields that are asked for later, by their numbers.
        leaves: a type for each field, for a `Reader`; or give them values yourself.
        decode: reads an event as JSON text; raises one of `REFUSALS` if it cannot.
        objects: as in `Reader`.
    """

    __slots__ = ("_idle", "_takers", "decode", "found", "leaves", "met", "objects")

    def __init__(
        self, lookups: Sequence[Lookup[Hit] | None], kept: Collection[int], idle: list[Scan]
    ) -> None:
        """Look up values at the root of the tree, by the fields' numbers, and keep those of some fields."""
        self._idle = idle
        self.found: list[Hit] = []
        self.met: dict[int, list[Any]] = {field: [] for field in kept}
        self.objects: list[Any] = []
        self.leaves: list[type] = []
        self._takers: list[Taker] = []
        for field, lookup in enumerate(lookups):
            leaf, taker = self._leaf(lookup, self.met.get(field))
            self.leaves.append(leaf)
            self._takers.append(taker)
        self.decode: Callable[[bytes], Any] = _refuse

    def release(self) -> None:
        """Forget the event, and let others use the scan, if it is not broken."""
        self.found.clear()
        if self.objects:
            self.objects.clear()
        for values in compress(self.met.values(), self.met.values()):
            values.clear()
        self._idle.append(self)

    def refused(self) -> None:
        """Release it after an event that could not be read; what raised that may have ended a taker."""
        if all(taker.gi_frame for taker in self._takers):
            self.release()

    def _leaf(self, lookup: Lookup[Hit] | None, kept: list[Any] | None) -> tuple[type, Taker]:
        leaf = type("Leaf", (), {"__slots__": ()})
        string = number = literal = _nothing
        if lookup is not None:
            string = _string(lookup.string)
            number = 
            literal = lookup.literal
        return leaf
def _refuse(_event: bytes) -> None:
    raise UnreadableError


class Scans:
    """As many scans of the same fields as there are threads.

    Attributes:
        idle: those that nobody uses. No two threads can pop the same.
    """

    def __init__(
        self,
        paths: Mapping[Segments, int],
        shared: Collection[Segments],
        lookups: Sequence[Lookup[Hit] | None],
        kept: Collection[int],
    ) -> None:
        self._paths = paths
        self._shared = shared
        self._lookups = lookups
        self._kept = kept
        self.idle: list[Scan] = []

    def take(self) -> Scan:
        """One that nobody else uses. If no `Reader` reads its fields, it refuses to decode anything."""
        with suppress(IndexError):
            return self.idle.pop()
        scan = Scan(self._lookups, self._kept, self.idle)
        with suppress(UnreadableError):
            reader = Reader(self._paths, scan.leaves, self._shared, scan.take)
            scan.decode, scan.objects = reader.decode, reader.objects
        return scan
