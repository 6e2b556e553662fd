"""What was accepted, read from disk. Not for the event loop: each call may wait for the disk."""

from __future__ import annotations

import heapq
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec

from router.events.received import Original
from router.store import rows
from router.store.base import Record, Stored
from router.store.fingerprints import Fingerprints
from router.store.layout import Segment, Segments, covering, is_log
from router.store.log.index import Index
from router.store.log.reading import LogVolume
from router.store.rows import Arrival, Row
from router.store.volume import DatabaseVolume, UnreadableError, Volume

OPEN = 6
"""How many volumes are held open at once."""

BATCH = 500
"""How many arrivals are read at a time."""

_ALL = 2**63 - 1

T = TypeVar("T")


class Archive:
    """The records on disk, for one thread at a time.

    A record stands in its segment, or among those kept of segments that are gone; while a segment goes,
    in both, and then it counts once. Nothing stays open between two calls, so that any volume may be closed
    meanwhile.

    Args:
        indexes: those of logs, by path; who reads and who writes share them.
    """

    def __init__(self, segments: Segments, indexes: dict[Path, Index]) -> None:
        self._segments = segments
        self._indexes = indexes
        self._seen = segments.all
        self._volumes: OrderedDict[Path, Volume] = OrderedDict()
        self._newest: dict[Path, float | None] = {}
        self._closed = False

    def look_around(self) -> None:
        """See the segments as they are now; between two calls they stay as they were."""
        self._seen = self._segments.all

    def forget(self, segment: Segment) -> None:
        """Let go of a segment."""
        self._newest.pop(segment.path, None)
        self._indexes.pop(segment.path, None)
        if (volume := self._volumes.pop(segment.path, None)) is not None:
            volume.close()

    def close(self) -> None:
        """Close all volumes; who asks after that is refused."""
        self._closed = True
        for volume in self._volumes.values():
            volume.close()

    # -- arrivals -----------------------------------------------------------------------------------------

    def head(self) -> int:
        """The highest sequence, 0 where there is none."""
        paths = (*(segment.path for segment in reversed(self._seen)), self._segments.kept)
        spans = (self._volume(path).span() for path in paths)
        return next((last for _, last in spans if last >= 0), 0)

    def first(self) -> Arrival | None:
        """What arrived with the lowest sequence."""
        return next(self.arrivals(0, _ALL), None)

    def first_at(self, when: float) -> int | None:
        """The lowest sequence received at `when` (seconds since the epoch) or later."""
        found = [self._volume(self._segments.kept).first_at(when)]
        for segment in self._seen:
            newest = self.newest(segment)
            if newest is not None and newest >= when:
                found.append(self._volume(segment.path).first_at(when))
                break
        return min((one for one in found if one is not None), default=None)

    def newest(self, segment: Segment) -> float | None:
        """When the last record of a segment was received, seconds since the epoch; None where it is empty.

        The last by the clock, which may have been set meanwhile.
        """
        if segment.path in self._newest:
            return self._newest[segment.path]
        newest = self._volume(segment.path).newest()
        if segment != self._seen[-1]:
            self._newest[segment.path] = newest
        return newest

    def count(self, segment: Segment) -> int:
        """How many records a segment has."""
        return self._volume(segment.path).count(0, _ALL)

    def count_kept(self, first: int, last: int) -> int:
        """How many records from `first` to `last` outlive their segment."""
        return self._volume(self._segments.kept).count(first, last)

    def is_in_segment(self, sequence: int) -> bool:
        """Whether a record stands in its segment still."""
        segments = covering(self._seen, sequence, sequence)
        return any(self._volume(segment.path).arrival(sequence) is not None for segment in segments)

    def span(self, segment: Segment) -> tuple[int, int]:
        """The first and the last sequence of a segment; (0, -1) where it is empty."""
        return self._volume(segment.path).span()

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
        return self._arrivals(segment.path, 0, _ALL)

    def _arrivals(self, path: Path, first: int, last: int) -> Iterator[Arrival]:
        while found := self._volume(path).arrivals(first, last, BATCH):
            yield from found
            if len(found) < BATCH:
                return
            first = found[-1].sequence + 1

    def arrival(self, sequence: int) -> Arrival | None:
        """What arrived with a sequence."""
        return self._find(sequence, lambda volume: volume.arrival(sequence))

    def fingerprints(self, since: float, most: int) -> Fingerprints:
        """(sequence, received, fingerprint) of the newest records received at `since` or later, by time."""
        parts: list[Fingerprints] = []
        left = most
        for segment in reversed(self._seen):
            newest = self.newest(segment)
            if left == 0 or (newest is not None and newest < since):
                break
            parts.append(self._volume(segment.path).fingerprints(since, left))
            left -= len(parts[-1])
        return Fingerprints(entry for part in reversed(parts) for entry in reversed(part))

    # -- records ------------------------------------------------------------------------------------------

    def row(self, sequence: int) -> bytes:
        """The row of a record.

        Raises:
            UnreadableError: there is none, or it is not what was written.
        """
        if (found := self._find(sequence, lambda volume: volume.row(sequence))) is None:
            raise UnreadableError(f"there is no record {sequence}")
        return found

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
        return self._find(sequence, lambda volume: volume.original(first))

    # -- volumes ------------------------------------------------------------------------------------------

    def _find(self, sequence: int, question: Callable[[Volume], T | None]) -> T | None:
        """What the segment of a sequence answers, or else what was kept of segments."""
        for path in (*(one.path for one in covering(self._seen, sequence, sequence)), self._segments.kept):
            if (found := question(self._volume(path))) is not None:
                return found
        return None

    def _volume(self, path: Path) -> Volume:
        if self._closed:
            raise sqlite3.ProgrammingError("the store is closed")
        volume = self._volumes.get(path)
        if volume is None:
            volume = self._volumes[path] = self._opened(path)
            if len(self._volumes) > OPEN:
                self._volumes.popitem(last=False)[1].close()
        else:
            self._volumes.move_to_end(path)
        return volume

    def _opened(self, path: Path) -> Volume:
        if is_log(path):
            return LogVolume(path, self._indexes)
        return DatabaseVolume(path)
