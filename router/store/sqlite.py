"""The store in SQLite: WAL, `synchronous=FULL`, group commit; claims are served from memory.

Two databases, each with its own writer thread: `events/<first sequence>.sqlite` holds what was accepted, and
`deliveries.sqlite` what became of it. What is pending is written nowhere: it is every first try above its
target's watermark. So an event is on disk with its routes by one commit, or it is not there at all, and
losing the newest of `deliveries.sqlite` can only repeat a delivery, never lose one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from router.clock import Clock
from router.errors import ConfigurationError
from router.store import rows
from router.store.base import (
    DeadLetter,
    Delivery,
    Record,
    Settlement,
    State,
    Stored,
    StoreError,
    Tally,
    delivery_of,
)
from router.store.lane import Key, Lane, key_of
from router.store.layout import connect, find, make_folder
from router.store.lock import FolderLock
from router.store.queries import DELIVERIES, EVENTS
from router.store.reader import Reader
from router.store.writer import GroupWriter, Statement

IN_MEMORY = 2_000
"""How many first tries a lane holds in memory before it leaves the rest on disk."""

BYTES_IN_MEMORY = 16_000_000
"""How many bytes of payload, likewise."""

LAGGARD = 1.0
"""Seconds under way after which a first try is written down, so that a crash repeats it alone, and not
everything that was delivered after it."""


class SqliteStore:
    """See `router.store.base.Store`. Make one inside a running event loop.

    Raises:
        router.errors.ConfigurationError: the folder belongs to another process, or holds no store.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._due_until: dict[str, float] = {}
        self._turns: dict[str, anyio.Lock] = {}
        self._settling = anyio.Lock()
        with contextlib.ExitStack() as undo:
            try:
                self._open(folder, undo)
            except (OSError, sqlite3.Error, msgspec.DecodeError) as error:
                raise ConfigurationError(f"{folder} cannot be opened as a router's store: {error}") from error
            undo.pop_all()

    def _open(self, folder: Path, undo: contextlib.ExitStack) -> None:
        birth = int(self._clock.now() * 1000) * 1000
        make_folder(folder / "events")
        self._lock = FolderLock(folder)
        undo.callback(self._lock.release)
        files = find(folder, birth)
        self._reader = Reader(files)
        undo.callback(self._reader.abandon)
        self._head = self._reader.head()
        self._written = self._reader.watermarks()
        self._next = max(birth, self._head + 1, *(mark + 1 for mark in self._written.values()))
        self._recover()
        self._event_writer = GroupWriter(connect(files.events, writing=True), "store-events")
        undo.callback(self._event_writer.close)
        self._delivery_writer = GroupWriter(connect(files.deliveries, writing=True), "store-deliveries")

    def _recover(self) -> None:
        """Find what was not finished: one pass over the routes above the lowest watermark."""
        floor = self._written.get("", 0)
        for target in self._written.keys() - {""}:
            self._lane(target)  # one that is finished too: its watermark moves on, and the next pass is short
        for sequence, route in self._reader.routes_after(min(self._written.values(), default=0)):
            if sequence > self._written.get(route.target, floor):
                lane = self._lane(route.target)
                lane.pending += 1
                lane.unread = sequence if lane.unread is None else lane.unread
        for target, lane in self._lanes.items():
            lane.pending -= self._reader.exceptions_after(target, self._written.get(target, floor))
            if lane.pending == 0:
                lane.unread = None
        for target, key in self._reader.early():
            self._lane(target).early.add(key)

    async def close(self) -> None:
        """Commit what is under way and let the folder go. To be cancelled does not keep it from that."""
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(StoreError):
                async with self._settling:  # the watermarks as they are now make the next start quick
                    await self._write_down((), patience=0)
            await self._reader.close()
            ending = anyio.CapacityLimiter(1)
            await anyio.to_thread.run_sync(self._event_writer.close, limiter=ending)
            await anyio.to_thread.run_sync(self._delivery_writer.close, limiter=ending)
            self._lock.release()

    # -- accepting ----------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """See `Store.append`."""
        first = self._next
        self._next += len(records)
        sequences = range(first, self._next)
        placed: dict[int, int] = {}
        originals: list[tuple[int, bytes, str | None]] = []
        events: list[tuple[int, bytes, bytes]] = []
        for sequence, record in zip(sequences, records, strict=True):
            kept = None
            if (original := record.original) is not None:
                if id(original) not in placed:
                    placed[id(original)] = sequence
                    originals.append((sequence, original.body, original.content_type))
                kept = placed[id(original)]
            events.append((sequence, rows.encode_routes(record.routes), rows.encode_record(record, kept)))
        statements: list[Statement] = [(EVENTS["insert_event"], events)]
        if originals:
            statements.append((EVENTS["insert_original"], originals))
        await self._event_writer.submit(statements, lambda: self._hand_over(sequences, records))
        return sequences

    def _hand_over(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """Let lanes have what was just committed, straight from memory."""
        for sequence, record in zip(sequences, records, strict=True):
            self._head = sequence
            full = {route.target for route in record.routes if self._is_full(self._lane(route.target))}
            for route in record.routes:
                lane = self._lane(route.target)
                lane.pending += 1
                if lane.unread is None and route.target in full:
                    lane.unread = sequence
                if lane.unread is None:
                    lane.put(delivery_of(sequence, route, record))
                lane.notify()

    @staticmethod
    def _is_full(lane: Lane) -> bool:
        return len(lane.ready) >= IN_MEMORY or lane.bytes >= BYTES_IN_MEMORY

    def _lane(self, target: str) -> Lane:
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = Lane()
        return lane

    # -- delivering ---------------------------------------------------------------------------------------

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim`. Retries come before first tries: they are older."""
        lane = self._lane(target)
        try:
            return await self._claim(target, lane, most)
        except BaseException:
            lane.pass_on()  # the word may have come to this one, who goes away without having looked
            raise

    async def _claim(self, target: str, lane: Lane, most: int) -> Sequence[Delivery]:
        while True:
            seen = lane.news
            while target in self._due_until:
                if taken := await self._take_due(target, lane, most):
                    if target in self._due_until:
                        lane.pass_on()
                    return taken
            if not lane.ready and lane.unread is not None:
                await self._read_ahead(target, lane)
            if taken := lane.take(most, self._clock.now()):
                return taken
            if lane.unread is None:
                await lane.newer(seen)

    async def _read_ahead(self, target: str, lane: Lane) -> None:
        """Bring the next first tries of a lane into memory from disk."""
        async with self._turn(target):
            start = lane.unread
            if lane.ready or start is None:
                return  # another worker of this target has just read
            found, reached = await self._reader.first_tries(target, start, self._head)
            for delivery in found:
                lane.put(delivery)
            lane.unread = None if reached >= self._head else reached + 1
            lane.notify()

    async def _take_due(self, target: str, lane: Lane, most: int) -> list[Delivery]:
        """Claim retries that are due."""
        async with self._turn(target):
            until = self._due_until.pop(target, None)
            if until is None:
                return []
            more = True
            try:
                found = await self._reader.retries(target, until, most, lane.under_way())
                more = len(found) == most
            finally:
                if more:  # and where `due` has spoken meanwhile, its word is newer
                    self._due_until.setdefault(target, until)
            waiting = [delivery for delivery in found if key_of(delivery) not in lane.under_way()]
            lane.again.update(key_of(delivery) for delivery in waiting)
            return waiting

    def _turn(self, target: str) -> anyio.Lock:
        """Workers of one target read one after another, so that nobody is handed what another just took."""
        return self._turns.setdefault(target, anyio.Lock())

    async def due(self, now: float) -> float | None:
        """See `Store.due`."""
        targets, upcoming = await self._reader.due(now)
        for target in targets:
            self._due_until[target] = now
            self._lane(target).notify()
        return upcoming

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `Store.settle`. One at a time: a watermark must not pass what an earlier call did not write."""
        async with self._settling:
            await self._write_down(settlements, LAGGARD)

    async def _write_down(self, settlements: Sequence[Settlement], patience: float) -> None:
        """Commit outcomes and watermarks, and first tries under way for `patience` seconds as exceptions."""
        now = self._clock.now()
        done: dict[str, set[Key]] = {target: set() for target in self._lanes}
        for settlement in settlements:
            done[settlement.delivery.target].add(key_of(settlement.delivery))
        slow = {target: lane.slow(now - patience, now) - done[target] for target, lane in self._lanes.items()}
        marks = {
            target: lane.watermark(self._head, besides=done[target] | slow[target])
            for target, lane in self._lanes.items()
        } | {"": self._head}
        early = self._early(settlements, marks)
        statements = [
            *self._outcomes(settlements, early, now),
            (DELIVERIES["delete_exception"], self._passed(marks)),
            (DELIVERIES["set_exception"], list(self._laggards(slow))),
            (DELIVERIES["set_watermark"], self._moved(marks)),
        ]
        if work := [statement for statement in statements if statement[1]]:
            with anyio.CancelScope(shield=True):
                await self._delivery_writer.submit(work)
        self._written |= marks
        for target, keys in done.items():
            self._lanes[target].settled(keys, slow[target], early[target], marks[target])

    def _early(self, settlements: Sequence[Settlement], marks: dict[str, int]) -> dict[str, set[Key]]:
        """Retries that were delivered above their target's watermark."""
        early: dict[str, set[Key]] = {target: set() for target in self._lanes}
        for settlement in settlements:
            target, key = settlement.delivery.target, key_of(settlement.delivery)
            retried = settlement.state is State.DELIVERED and key in self._lanes[target].again
            if retried and key[0] > marks[target]:
                early[target].add(key)
        return early

    def _passed(self, marks: dict[str, int]) -> list[tuple[str, int, str]]:
        return [
            (target, *key)
            for target, lane in self._lanes.items()
            for key in lane.early
            if key[0] <= marks[target]
        ]

    def _outcomes(
        self, settlements: Sequence[Settlement], early: dict[str, set[Key]], now: float
    ) -> Iterator[Statement]:
        kept: list[tuple[str, int, str, str, float, bytes]] = []
        gone: list[tuple[str, int, str]] = []
        for settlement in settlements:
            delivery = settlement.delivery
            target, key = delivery.target, key_of(delivery)
            if settlement.state is not State.DELIVERED or key in early[target]:
                at = now if settlement.due is None else settlement.due
                history = rows.encode_attempts(settlement.tried().attempts)
                kept.append((target, *key, settlement.state.value, at, history))
            elif key in self._lanes[target].again:
                gone.append((target, *key))
        yield DELIVERIES["set_exception"], kept
        yield DELIVERIES["delete_exception"], gone

    def _laggards(self, slow: dict[str, set[Key]]) -> Iterator[tuple[str, int, str, str, float, bytes]]:
        """First tries that have been under way for long become exceptions, and hold no watermark back."""
        for target, keys in slow.items():
            for key in keys:
                since = self._lanes[target].claimed[key]
                yield (target, *key, State.RETRYING.value, since, rows.encode_attempts(()))

    def _moved(self, marks: dict[str, int]) -> list[tuple[str, int]]:
        return [(target, at) for target, at in marks.items() if self._written.get(target) != at]

    # -- looking ------------------------------------------------------------------------------------------

    async def scan(self, first: int = 0, last: int | None = None) -> AsyncIterator[Stored]:
        """See `Store.scan`."""
        last = self._head if last is None else min(last, self._head)
        while first <= last and (found := await self._reader.records(first, last)):
            for stored in found:
                yield stored
            first = found[-1].sequence + 1

    async def dead(self, target: str | None = None) -> Sequence[DeadLetter]:
        """See `Store.dead`."""
        return await self._reader.dead(target)

    async def tally(self) -> dict[str, Tally]:
        """See `Store.tally`."""
        tallies = {target: Tally(pending=lane.pending) for target, lane in self._lanes.items()}
        for target, state, count in await self._reader.tally():
            tally = tallies.get(target, Tally())
            tallies[target] = msgspec.structs.replace(tally, **{state: count})
        return {target: tally for target, tally in tallies.items() if tally != Tally()}

    async def remember(self, version: str, text: str) -> None:
        """See `Store.remember`."""
        await self._delivery_writer.submit([(DELIVERIES["remember"], [(version, text)])])

    async def recall(self, version: str) -> str | None:
        """See `Store.recall`."""
        return await self._reader.recall(version)
