"""What was accepted, read from disk. Not for the event loop: each call may wait for the disk."""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from router.events.received import Original
from router.store import rows
from router.store.base import Record, Stored, StoreError
from router.store.fingerprints import Fingerprints
from router.store.layout import Segment, Segments, connect, covering
from router.store.queries import EVENTS
from router.store.rows import Arrival, Row

OPEN = 6
"""How many databases are held open at once."""

BATCH = 500
"""How many arrivals are read at a time."""


class UnreadableError(StoreError):
    """A record cannot be read."""


class Archive:
    """The records on disk, for one thread at a time.

    A record stands in its segment, or among those kept of segments that are gone; while a segment goes,
    in both, and then it counts once. No statement stays open between two calls, so that any database may
    be closed meanwhile.
    """

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._seen = segments.all
        self._connections: OrderedDict[Path, sqlite3.Connection] = OrderedDict()
        self._newest: dict[Path, float | None] = {}
        self._closed = False

    def look_around(self) -> None:
        """See the segments as they are now; between two calls they stay as they were."""
        self._seen = self._segments.all

    def forget(self, segment: Segment) -> None:
        """Let go of a segment."""
        self._newest.pop(segment.path, None)
        if (connection := self._connections.pop(segment.path, None)) is not None:
            connection.close()

    def close(self) -> None:
        """Close all connections; who asks after that is refused."""
        self._closed = True
        for connection in self._connections.values():
            connection.close()

    # -- arrivals -----------------------------------------------------------------------------------------

    def head(self) -> int:
        """The highest sequence, 0 where there is none."""
        for segment in reversed(self._seen):
            if (found := self._one(segment.path, "head")[0]) is not None:
                return int(found)
        return int(self._one(self._segments.kept, "head")[0] or 0)

    def first(self) -> Arrival | None:
        """What arrived with the lowest sequence."""
        return next(self.arrivals(0, 2**63 - 1), None)

    def first_at(self, when: float) -> int | None:
        """The lowest sequence received at `when` (seconds since the epoch) or later."""
        found = [self._one(self._segments.kept, "first_at", when)[0]]
        for segment in self._seen:
            newest = self.newest(segment)
            if newest is not None and newest >= when:
                found.append(self._one(segment.path, "first_at", when)[0])
                break
        return min((int(one) for one in found if one is not None), default=None)

    def newest(self, segment: Segment) -> float | None:
        """When the last record of a segment was received, seconds since the epoch; None where it is empty.

        The last by the clock, which may have been set meanwhile.
        """
        if segment.path in self._newest:
            return self._newest[segment.path]
        newest: float | None = self._one(segment.path, "newest")[0]
        if segment != self._seen[-1]:
            self._newest[segment.path] = newest
        return newest

    def count(self, segment: Segment) -> int:
        """How many records a segment has."""
        return int(self._one(segment.path, "count")[0])

    def count_kept(self, first: int, last: int) -> int:
        """How many records from `first` to `last` outlive their segment."""
        return int(self._one(self._segments.kept, "count_between", first, last)[0])

    def is_in_segment(self, sequence: int) -> bool:
        """Whether a record stands in its segment still."""
        segments = covering(self._seen, sequence, sequence)
        return any(self._one(segment.path, "arrival", sequence) is not None for segment in segments)

    def span(self, segment: Segment) -> tuple[int, int]:
        """The first and the last sequence of a segment; (0, -1) where it is empty."""
        first, last = self._one(segment.path, "span")
        return (0, -1) if first is None else (first, last)

    def arrivals(self, first: int, last: int) -> Iterator[Arrival]:
        """What arrived from `first` to `last`, both included, in order."""
        kept = self.kept(first, last)
        segments = covering(self._seen, first, last)
        fresh = chain.from_iterable(self._arrivals(segment.path, first, last) for segment in segments)
        if (begin := next(kept, None)) is None:
            yield from fresh
            return
        previous = None
        for arrival in heapq.merge(chain([begin], kept), fresh, key=attrgetter("sequence")):
            if arrival.sequence != previous:
                yield arrival
            previous = arrival.sequence

    def kept(self, first: int, last: int) -> Iterator[Arrival]:
        """Those of them that outlived their segment, or are about to."""
        return self._arrivals(self._segments.kept, first, last)

    def within(self, segment: Segment) -> Iterator[Arrival]:
        """All that arrived in a segment."""
        return self._arrivals(segment.path, 0, 2**63 - 1)

    def _arrivals(self, path: Path, first: int, last: int) -> Iterator[Arrival]:
        while found := self._all(path, "arrivals", first, last, BATCH):
            for row in found:
                yield Arrival(*row)
            if len(found) < BATCH:
                return
            first = found[-1][0] + 1

    def arrival(self, sequence: int) -> Arrival | None:
        """What arrived with a sequence."""
        row = self._find("arrival", sequence)
        return None if row is None else Arrival(*row)

    def fingerprints(self, since: float, most: int) -> Fingerprints:
        """(sequence, received, fingerprint) of the newest records received at `since` or later, by time."""
        parts: list[Fingerprints] = []
        left = most
        for segment in reversed(self._seen):
            newest = self.newest(segment)
            if left == 0 or (newest is not None and newest < since):
                break
            parts.append(self._fingerprints(segment.path, since, left))
            left -= len(parts[-1])
        return Fingerprints(entry for part in reversed(parts) for entry in reversed(part))

    def _fingerprints(self, path: Path, since: float, most: int) -> Fingerprints:
        with contextlib.closing(
            self._connection(path).execute(EVENTS["fingerprints"], (since, most))
        ) as found:
            return Fingerprints(found)

    # -- records ------------------------------------------------------------------------------------------

    def row(self, sequence: int) -> bytes:
        """The row of a record.

        Raises:
            UnreadableError: there is none.
        """
        if (found := self._find("record", sequence)) is None:
            raise UnreadableError(f"there is no record {sequence}")
        return bytes(found[0])

    def _row(self, arrival: Arrival) -> Row:
        try:
            return rows.decode_row(self.row(arrival.sequence))
        except msgspec.DecodeError as error:
            raise UnreadableError(f"the record {arrival.sequence} cannot be read: {error}") from error

    def record(self, arrival: Arrival) -> Record:
        """A record without its original: what a delivery is made of.

        Raises:
            UnreadableError: it cannot be read.
        """
        return rows.record_of(self._row(arrival), arrival)

    def stored(self, arrival: Arrival) -> Stored:
        """A record with its original.

        Raises:
            UnreadableError: it cannot be read.
        """
        row = self._row(arrival)
        original = None if row.original is None else self.original(arrival.sequence, row.original)
        return Stored(arrival.sequence, rows.record_of(row, arrival, original))

    def original(self, sequence: int, first: int) -> Original | None:
        """The sender's request that a record came with.

        Args:
            sequence: the record's.
            first: that of the request's first record.
        """
        row = self._find("original", first, beside=sequence)
        return None if row is None else Original(*row)

    # -- connections --------------------------------------------------------------------------------------

    def _find(self, query: str, sequence: int, beside: int | None = None) -> Sequence[Any] | None:
        """A row by its sequence, from its segment or from what was kept of it."""
        home = sequence if beside is None else beside
        for path in (*(one.path for one in covering(self._seen, home, home)), self._segments.kept):
            found: Sequence[Any] | None = self._one(path, query, sequence)
            if found is not None:
                return found
        return None

    def _one(self, path: Path, query: str, *parameters: object) -> Any:
        return self._connection(path).execute(EVENTS[query], parameters).fetchone()

    def _all(self, path: Path, query: str, *parameters: object) -> list[Any]:
        return self._connection(path).execute(EVENTS[query], parameters).fetchall()

    def _connection(self, path: Path) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("the store is closed")
        connection = self._connections.get(path)
        if connection is None:
            connection = connect(path, writing=False)
            self._connections[path] = connection
            if len(self._connections) > OPEN:
                self._connections.popitem(last=False)[1].close()
        else:
            self._connections.move_to_end(path)
        return connection
