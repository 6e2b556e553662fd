"""Lets old records go: whole segments, after what is still needed of them was copied out.

A crash at any moment loses nothing and doubles nothing: what is needed is committed to its new place before
the old one goes, and while it stands in both, it counts once.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import anyio
import msgspec

from router.clock import Clock
from router.events.received import Original
from router.store import rows
from router.store.archive import Archive
from router.store.lane import Lanes
from router.store.layout import Segment, Segments, connect, remove, weight
from router.store.ledger import Statements
from router.store.queries import DELIVERIES, EVENTS
from router.store.reader import Reader
from router.store.rows import Arrival
from router.store.volume import UnreadableError
from router.store.writer import GroupWriter

PORTION = 500
"""How many records are copied or dropped in one transaction."""

SWEEP = 600.0
"""Seconds between two looks at what outlived its segment or its time, whether it is still needed."""

LARGE = 16_000_000
"""From how many bytes on a segment stays as it is while more than half of it is needed: to copy it would cost
more than it frees."""

SAMPLE = 100
"""How many records tell how much of a segment is needed."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Memory:
    """What memory knew to be unfinished, before the disk is asked.

    In this order nothing slips through: what memory has finished, the disk knows of.

    Attributes:
        open: sequences of first tries in memory, and of all that is under way.
        unread: from which sequence on a target's first tries stand only on disk.
    """

    open: frozenset[int]
    unread: Mapping[str, int]


class Trimming:
    """See `router.store.base.Store.trim`.

    Args:
        readers: all that may have a segment open; the first is used to look.
    """

    def __init__(
        self,
        *,
        segments: Segments,
        lanes: Lanes,
        readers: Sequence[Reader],
        deliveries: GroupWriter[Statements],
        clock: Clock,
    ) -> None:
        self._segments = segments
        self._lanes = lanes
        self._readers = readers
        self._deliveries = deliveries
        self._clock = clock
        self._swept = -math.inf
        self._put_off: dict[Segment, float] = {}
        self._turn = anyio.Lock()

    async def trim(self, before: float, most: int) -> int:
        """Let whole segments go; return how many records went.

        Raises:
            StoreError: the disk refuses; what was to stay is where it was.
        """
        async with self._turn:
            count = 0
            head = self._lanes.head
            for segment in await self._ask(lambda archive: self._old(archive, before, most, head)):
                if await self._is_worth_it(segment):
                    count += await self._let_go(segment)
            if abs(self._clock.now() - self._swept) >= SWEEP:
                count += await self._sweep()
                self._swept = self._clock.now()
            return count

    async def is_over(self, before: float) -> bool:
        """Whether all records of the segment that grows were received before `before`."""
        newest = await self._ask(lambda archive: archive.newest(self._segments.all[-1]))
        return newest is not None and newest < before

    async def _ask(self, question: Callable[[Archive], T]) -> T:
        reader = self._readers[0]
        return await reader.ask(lambda: question(reader.archive))

    def _old(self, archive: Archive, before: float, most: int, head: int) -> list[Segment]:
        """The segments that go: none that grows, and none of which the lanes do not know everything."""
        gone: list[Segment] = []
        segments = self._segments.all
        size = weight(segments[-1].path)
        for segment, following in zip(segments[-2::-1], segments[:0:-1], strict=True):
            size += weight(segment.path)
            newest = archive.newest(segment)
            if (newest is None or newest < before or size > most) and following.first <= head + 1:
                gone.append(segment)
        return gone[::-1]

    async def _is_worth_it(self, segment: Segment) -> bool:
        """Whether there is more to be let go of a segment than to be copied."""
        now = self._clock.now()
        if abs(now - self._put_off.get(segment, -math.inf)) < SWEEP:
            return False
        memory = self._memory()
        if await self._ask(lambda archive: self._is_mostly_needed(archive, segment, memory)):
            self._put_off[segment] = now
            return False
        self._put_off.pop(segment, None)
        return True

    async def _let_go(self, segment: Segment) -> int:
        memory = self._memory()
        count = await self._ask(lambda archive: self._copy(archive, segment, memory))
        self._segments.remove(segment)
        for reader in self._readers:
            await reader.ask(lambda archive=reader.archive: archive.forget(segment))  # type: ignore[misc]
        await self._ask(lambda _: remove(segment.path))
        return count

    def _memory(self) -> _Memory:
        sequences: set[int] = set()
        for lane in self._lanes.values():
            sequences.update(delivery.sequence for delivery in lane.ready)
            sequences.update(key[0] for key in (*lane.claimed, *lane.again, *lane.withheld))
        unread = {target: lane.unread for target, lane in self._lanes.items() if lane.unread is not None}
        return _Memory(frozenset(sequences), unread)

    # -- on the reader's thread ---------------------------------------------------------------------------

    def _is_mostly_needed(self, archive: Archive, segment: Segment, memory: _Memory) -> bool:
        if weight(segment.path) < LARGE:
            return False
        first, last = archive.span(segment)
        places = range(first, last + 1, max((last - first) // SAMPLE, 1))
        sample = [arrival for arrival in map(archive.arrival, places) if arrival is not None]
        return len(list(self._needed(sample, memory))) > len(sample) / 2

    def _copy(self, archive: Archive, segment: Segment, memory: _Memory) -> int:
        """Copy what is needed of a segment to where it outlives it; return how many are not."""
        needed = self._needed_of(archive, segment, memory)
        with contextlib.closing(connect(self._segments.kept, writing=True)) as connection:
            while portion := list(islice(needed, PORTION)):
                rows_ = [(*_columns(one), _row(archive, one.sequence)) for one in portion]
                originals = [(at, _original(archive, at)) for at in _originals(row[-1] for row in rows_)]
                with _transaction(connection):
                    connection.executemany(EVENTS["keep_event"], rows_)
                    connection.executemany(
                        EVENTS["keep_original"],
                        [(at, one.body, one.content_type) for at, one in originals if one is not None],
                    )
        return archive.count(segment) - archive.count_kept(*archive.span(segment))

    def _needed_of(self, archive: Archive, segment: Segment, memory: _Memory) -> Iterator[Arrival]:
        """What of a segment has an unfinished or dead delivery."""
        first, last = archive.span(segment)
        if min(memory.unread.values(), default=last + 1) <= last:
            return self._needed(archive.within(segment), memory)
        waiting = self._told(first, last) | {at for at in memory.open if first <= at <= last}
        found = (archive.arrival(sequence) for sequence in sorted(waiting))
        return (arrival for arrival in found if arrival is not None)

    def _told(self, first: int, last: int) -> set[int]:
        """The events that must be tried again, or are dead."""
        reader = self._readers[0]
        return {
            sequence
            for target in reader.targets()
            for (sequence,) in reader.deliveries.execute(DELIVERIES["open_between"], (target, first, last))
        }

    def _needed(self, arrivals: Iterable[Arrival], memory: _Memory) -> Iterator[Arrival]:
        """Those that have an unfinished or dead delivery. In order."""
        waiting = iter(arrivals)
        while portion := list(islice(waiting, PORTION)):
            first, last = portion[0].sequence, portion[-1].sequence
            open_ = memory.open | self._told(first, last)
            told = {
                target: self._readers[0].told(target, first, last)
                for target, unread in memory.unread.items()
                if unread <= last
            }
            for arrival in portion:
                if arrival.sequence in open_ or any(
                    route.target in told
                    and arrival.sequence >= memory.unread[route.target]
                    and (arrival.sequence, route.variant) not in told[route.target]
                    for route in (rows.decode_routes(arrival.routes) if told else ())
                ):
                    yield arrival

    # -- what outlived its segment ------------------------------------------------------------------------

    async def _sweep(self) -> int:
        """Drop what nobody needs: records that outlived their segment, and what is told about those gone."""
        memory = self._memory()
        count = await self._ask(lambda archive: self._drop(archive, memory))
        if orphans := await self._ask(self._orphans):
            await self._deliveries.submit([(DELIVERIES["forget_ended"], orphans)])
        return count

    def _drop(self, archive: Archive, memory: _Memory) -> int:
        count = 0
        last = self._segments.all[0].first - 1
        first = 0
        with contextlib.closing(connect(self._segments.kept, writing=True)) as connection:
            while portion := list(islice(archive.kept(first, last), PORTION)):
                needed = {arrival.sequence for arrival in self._needed(portion, memory)}
                gone = [
                    (one.sequence,)
                    for one in portion
                    if one.sequence not in needed and not archive.is_in_segment(one.sequence)
                ]
                if gone:
                    with _transaction(connection):
                        connection.executemany(EVENTS["drop_event"], gone)
                count += len(gone)
                first = portion[-1].sequence + 1
            if count:
                with _transaction(connection):
                    connection.execute(EVENTS["drop_originals"])
                connection.execute("PRAGMA incremental_vacuum").fetchall()
        return count

    def _orphans(self, archive: Archive) -> list[tuple[str, int, str]]:
        """What is told about deliveries of events that are gone."""
        reader = self._readers[0]
        first = self._segments.all[0].first
        return [
            row
            for target in reader.targets()
            for row in reader.deliveries.execute(DELIVERIES["ended_below"], (target, first))
            if archive.arrival(row[1]) is None
        ]


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _columns(arrival: Arrival) -> tuple[int, float, bytes, bytes]:
    return (arrival.sequence, arrival.received, arrival.fingerprint, arrival.routes)


def _row(archive: Archive, sequence: int) -> bytes:
    """A record; nothing where it is not what was written: then its deliveries become dead letters."""
    try:
        return archive.row(sequence)
    except UnreadableError:
        return b""


def _original(archive: Archive, sequence: int) -> Original | None:
    """A request, where it is what was written."""
    try:
        return archive.original(sequence, sequence)
    except UnreadableError:
        return None


def _originals(records: Iterable[bytes]) -> list[int]:
    """Under which sequences the requests are kept that these records came with."""
    found = set()
    for record in records:
        with contextlib.suppress(msgspec.DecodeError):  # it is kept as it is
            found.add(rows.decode_row(record).original)
    return sorted(sequence for sequence in found if sequence is not None)
