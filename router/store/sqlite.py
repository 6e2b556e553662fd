"""The store on disk: logs of what was accepted, SQLite for what became of it; claims are served from memory.

Each half has its own writer thread and group commit: `events/<first sequence>.log` (see
`router.store.log.format`), and `deliveries.sqlite` (WAL, `synchronous=FULL`). What is pending is written
nowhere: it is every first try above its target's watermark. So an event is on disk with its routes by one
commit, or it is not there at all, and losing the newest of `deliveries.sqlite` can only repeat a delivery,
never lose one.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import structlog

from router.clock import Clock
from router.errors import ConfigurationError
from router.store import rows
from router.store.advice import DOCTOR, DamagedError
from router.store.base import (
    Delivery,
    Extent,
    Place,
    Record,
    Settlement,
    Standing,
    State,
    Stored,
    StoreError,
    Tally,
)
from router.store.claims import Claims
from router.store.damage import databases, diagnosis, interrupted
from router.store.lane import Lanes
from router.store.layout import find, make_folder, weight
from router.store.ledger import LIMITS, Database, Journal, Limits, Portion
from router.store.listing import Listing
from router.store.lock import FolderLock
from router.store.log.format import Columns
from router.store.log.index import Index
from router.store.loss import note_vanished
from router.store.operating import Operating
from router.store.queries import DELIVERIES
from router.store.reader import Reader
from router.store.recovery import recover
from router.store.settling import Settling
from router.store.trimming import Trimming
from router.store.volume import UnreadableError
from router.store.writer import GroupWriter

PAGE = 200
"""How many records a scan reads at a time."""

PAGE_BYTES = 8_000_000
"""How long these records may be together, but for the last."""

_Original = tuple[int, bytes, str | None]
"""A request as a row: the sequence it is kept under, its body, and its content type."""

log = structlog.stdlib.get_logger(__name__)


class SqliteStore:
    """See `router.store.base.Store`. Make one inside a running event loop.

    Args:
        limits: when the next segment begins.

    Raises:
        router.errors.ConfigurationError: the folder belongs to another process, or holds no store.
    """

    def __init__(self, folder: Path, clock: Clock, limits: Limits = LIMITS) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        with contextlib.ExitStack() as undo:
            try:
                self._open(folder, undo)
            except (OSError, sqlite3.Error, DamagedError, msgspec.DecodeError, UnicodeDecodeError) as error:
                if isinstance(error, DamagedError):
                    why = f"{error}; {DOCTOR}"
                elif isinstance(error, msgspec.DecodeError):
                    why = f"it holds what no router has written ({error}); {DOCTOR}"
                else:
                    why = diagnosis(databases(folder)) or str(error)
                raise ConfigurationError(f"{folder} cannot be opened as a router's store: {why}") from error
            undo.pop_all()

    def _open(self, folder: Path, undo: contextlib.ExitStack) -> None:
        birth = int(self._clock.now() * 1000) * 1000
        make_folder(folder / "events")
        self._lock = FolderLock(folder)
        undo.callback(self._lock.release)
        if interrupted(folder):
            raise ConfigurationError(f"the repair of {folder} was interrupted; {DOCTOR}")
        there = {*databases(folder)}
        segments, deliveries = find(folder)
        self._segments = segments
        # What is written to is looked at, however it was left: to look at the rest would take too long. Who
        # writes to a log looks at it himself.
        growing = {deliveries, segments.kept, *(one.path for one in segments.all[-1:] if not one.is_log)}
        if (why := diagnosis(there & growing)) is not None:
            raise ConfigurationError(f"{folder} cannot be opened as a router's store: {why}")
        indexes: dict[Path, Index] = {}
        journal = Journal(segments, self._limits, indexes)
        undo.callback(journal.close)
        # None waits for what another reads.
        self._readers = [Reader(segments, deliveries, indexes) for _ in range(3)]
        for reader in self._readers:
            undo.callback(reader.abandon)
        claims, self._desk, keeper = self._readers
        marks = dict(claims.deliveries.execute(DELIVERIES["watermarks"]))
        note_vanished(segments, marks, int(self._clock.now()))
        begun = [segment.first + (not segment.is_log) for segment in segments.all]
        known = [claims.archive.head() + 1, *begun, *(mark + 1 for mark in marks.values())]
        self._next = max(birth, *known)
        journal.open(self._next)
        self._lanes = Lanes(self._next - 1)
        recover(self._lanes, claims, marks)
        self._event_writer = GroupWriter(journal, "store-events")
        undo.callback(self._event_writer.close)
        self._delivery_writer = GroupWriter(Database(deliveries), "store-deliveries")
        self._claims = Claims(self._lanes, claims, self._delivery_writer, self._clock)
        self._settling = Settling(self._lanes, self._delivery_writer, self._clock, marks)
        self._operating = Operating(self._lanes, self._desk, self._delivery_writer, self._claims)
        self._listing = Listing(self._lanes, self._desk)
        self._trimming = Trimming(
            segments=segments,
            lanes=self._lanes,
            readers=[keeper, claims, self._desk],
            deliveries=self._delivery_writer,
            clock=self._clock,
        )

    async def close(self) -> None:
        """Commit what is under way and let the folder go. To be cancelled does not keep it from that."""
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(StoreError):  # the watermarks as they are now make the next start quick
                await self._settling.settle((), patience=0)
            for reader in self._readers:
                await reader.close()
            ending = anyio.CapacityLimiter(1)
            await anyio.to_thread.run_sync(self._event_writer.close, limiter=ending)
            await anyio.to_thread.run_sync(self._delivery_writer.close, limiter=ending)
            self._lock.release()

    # -- accepting ----------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """See `Store.append`."""
        if not records:
            return ()
        first = self._next
        self._next += len(records)
        sequences = range(first, self._next)
        originals = _placed(sequences, records)
        encode_routes, encode_record = rows.encode_routes, rows.encode_record
        columns = Columns(
            sequences,
            [record.received for record in records],
            [record.fingerprint for record in records],
            [encode_routes(record.routes) for record in records],
            [
                encode_record(record, originals[id(record.original)][0] if record.original else None)
                for record in records
            ],
            list(originals.values()),
        )
        await self._event_writer.submit(
            Portion(first, records[0].received, columns),
            lambda: self._claims.hand_over(sequences, records),
        )
        return sequences

    async def probe(self) -> None:
        """See `Store.probe`."""
        await self._event_writer.submit(Portion(self._next, self._clock.now()))

    # -- delivering ---------------------------------------------------------------------------------------

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim`."""
        return await self._claims.claim(target, most)

    def claim_now(self, target: str, most: int) -> Sequence[Delivery] | None:
        """See `Store.claim_now`."""
        return self._claims.claim_now(target, most)

    def news(self, target: str, most: int) -> Awaitable[None]:
        """See `Store.news`."""
        return self._lanes[target].wait(most)

    def rouse(self, target: str) -> None:
        """See `Store.rouse`."""
        self._lanes[target].rouse()

    async def due(self, now: float) -> float | None:
        """See `Store.due`."""
        return await self._claims.due(now)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `Store.settle`."""
        await self._settling.settle(settlements)

    async def redrive(self, places: Sequence[Place], now: float, to: str | None = None) -> int:
        """See `Store.redrive`."""
        return await self._operating.redrive(places, now, to)

    async def cancel(self, places: Sequence[Place]) -> int:
        """See `Store.cancel`."""
        return await self._operating.cancel(places, self._clock.now())

    # -- looking ------------------------------------------------------------------------------------------

    async def standing(
        self,
        states: Collection[State],
        target: str | None = None,
        after: Place | None = None,
        most: int = 1_000,
    ) -> Sequence[Standing]:
        """See `Store.standing`."""
        return await self._listing.standing(states, target, after or Place(-1, ""), most)

    async def of_event(self, sequence: int) -> Sequence[Standing]:
        """See `Store.of_event`."""
        return await self._listing.of_event(sequence)

    async def get(self, sequence: int) -> Stored | None:
        """See `Store.get`."""
        archive = self._desk.archive

        def question() -> Stored | None:
            arrival = archive.arrival(sequence)
            return None if arrival is None else archive.stored(arrival)

        return await self._desk.ask(question) if sequence <= self._lanes.head else None

    async def scan(
        self, first: int = 0, last: int | None = None, missed: Callable[[float], None] | None = None
    ) -> AsyncIterator[Stored]:
        """See `Store.scan`."""
        last = self._lanes.head if last is None else min(last, self._lanes.head)
        while first <= last:
            found, unread, reached = await self._desk.ask(functools.partial(self._page, first, last))
            if missed is not None:
                for received in unread:
                    missed(received)
            for stored in found:
                yield stored
            first = reached + 1

    def _page(self, first: int, last: int) -> tuple[list[Stored], list[float], int]:
        """The next records from `first` on, when those came that cannot be read, and how far that is all."""
        found: list[Stored] = []
        unread: list[float] = []
        size = 0
        for arrival in self._desk.archive.arrivals(first, last):
            try:
                found.append(self._desk.archive.stored(arrival))
            except UnreadableError as error:
                log.error("record.unreadable", error=error.message)
                unread.append(arrival.received)
                continue
            size += len(found[-1].record.event.data or b"")
            if len(found) == PAGE or size >= PAGE_BYTES:
                return found, unread, arrival.sequence
        return found, unread, last

    async def first_at(self, when: float) -> int:
        """See `Store.first_at`."""
        after = self._lanes.head + 1
        found = await self._desk.ask(lambda: self._desk.archive.first_at(when))
        return after if found is None else found

    async def tally(self) -> dict[str, Tally]:
        """See `Store.tally`."""
        tallies = {target: Tally(pending=lane.pending) for target, lane in self._lanes.items()}
        counts = await self._desk.ask(lambda: self._desk.deliveries.execute(DELIVERIES["tally"]).fetchall())
        for target, state, count in counts:
            tally = tallies.get(target, Tally())
            tallies[target] = msgspec.structs.replace(tally, **{state: count})
        return {target: tally for target, tally in tallies.items() if tally != Tally()}

    async def upcoming(self) -> dict[str, float]:
        """See `Store.upcoming`."""
        rows = await self._desk.ask(lambda: self._desk.deliveries.execute(DELIVERIES["upcoming"]).fetchall())
        return {target: at for target, at in rows if at is not None}

    # -- the archive --------------------------------------------------------------------------------------

    async def trim(self, before: float, most: int) -> int:
        """See `Store.trim`. Its portions are segments."""
        if await self._trimming.is_over(before):  # nobody sends any more: by itself it would never end
            await self.probe()
        return await self._trimming.trim(before, most)

    async def extent(self) -> Extent:
        """See `Store.extent`."""
        return await self._desk.ask(self._extent)

    def _extent(self) -> Extent:
        events = sum(weight(segment.path) for segment in self._segments.all) + weight(self._segments.kept)
        size = events + weight(self._folder / "deliveries.sqlite")
        first = self._desk.archive.first()
        if first is None:
            return Extent(bytes=size)
        return Extent(first=first.sequence, last=self._desk.archive.head(), since=first.received, bytes=size)

    async def fingerprints(self, since: float, most: int) -> Sequence[tuple[int, float, bytes]]:
        """See `Store.fingerprints`."""
        return await self._desk.ask(lambda: self._desk.archive.fingerprints(since, most))

    # -- configurations -----------------------------------------------------------------------------------

    async def remember(self, version: str, text: str) -> None:
        """See `Store.remember`."""
        await self._delivery_writer.submit([(DELIVERIES["remember"], [(version, text)])])

    async def recall(self, version: str) -> str | None:
        """See `Store.recall`."""
        row = await self._desk.ask(
            lambda: self._desk.deliveries.execute(DELIVERIES["recall"], (version,)).fetchone()
        )
        return None if row is None else str(row[0])


def _placed(sequences: Sequence[int], records: Sequence[Record]) -> dict[int, _Original]:
    """The requests that records came in, by identity; each is kept under its first record's sequence."""
    placed: dict[int, _Original] = {}
    for sequence, record in zip(sequences, records, strict=True):
        if (original := record.original) is not None and id(original) not in placed:
            placed[id(original)] = sequence, original.body, original.content_type
    return placed
