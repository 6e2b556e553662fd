"""What the SQLite store reads, off the event loop, on connections of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from router.events.received import Original
from router.store import rows
from router.store.base import DeadLetter, Delivery, Route, Stored, StoreError, delivery_of
from router.store.lane import Key
from router.store.layout import Files, connect
from router.store.queries import DELIVERIES, EVENTS

CHUNK = 500
"""How many records are read at a time."""

CHUNK_BYTES = 8_000_000
"""How long these records may be together, but for the last."""

T = TypeVar("T")


class Reader:
    """Questions to both databases, one at a time.

    Raises:
        StoreError: of every method that awaits: the disk does not answer.
    """

    def __init__(self, files: Files) -> None:
        self._events = connect(files.events, writing=False)
        self._deliveries = connect(files.deliveries, writing=False)
        # A limiter of its own: whoever else keeps the shared threads busy does not keep deliveries waiting.
        self._turn = anyio.CapacityLimiter(1)

    def abandon(self) -> None:
        """Close both connections; nobody may be asking."""
        self._events.close()
        self._deliveries.close()

    async def close(self) -> None:
        """Close both connections once the question under way is answered."""
        await self._ask(self.abandon)

    async def _ask(self, question: Callable[[], T]) -> T:
        """Cancelling the wait for a turn is fine; once asked, the answer is awaited."""
        try:
            return await anyio.to_thread.run_sync(question, limiter=self._turn)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise StoreError(f"the store cannot read: {error}") from error

    # -- at the start, before there is an event loop to keep free ------------------------------------------

    def head(self) -> int:
        """The highest sequence, 0 in an empty store."""
        return int(self._events.execute(EVENTS["head"]).fetchone()[0] or 0)

    def watermarks(self) -> dict[str, int]:
        """Every target's watermark; the floor under `""`."""
        return dict(self._deliveries.execute(DELIVERIES["watermarks"]))

    def routes_after(self, sequence: int) -> Iterator[tuple[int, Route]]:
        """The routes above a sequence."""
        for at, blob in self._events.execute(EVENTS["routes_after"], (sequence,)):
            for route in rows.decode_routes(blob):
                yield at, route

    def exceptions_after(self, target: str, sequence: int) -> int:
        """How many exceptions a target has above a sequence."""
        found = self._deliveries.execute(DELIVERIES["exceptions_after"], (target, sequence)).fetchone()
        return int(found[0])

    def early(self) -> list[tuple[str, Key]]:
        """The retries that were delivered above their target's watermark."""
        found = self._deliveries.execute(DELIVERIES["early"]).fetchall()
        return [(target, (sequence, variant)) for target, sequence, variant in found]

    # -- deliveries ---------------------------------------------------------------------------------------

    async def first_tries(self, target: str, start: int, last: int) -> tuple[list[Delivery], int]:
        """A chunk of a target's untried deliveries from `start` on, and up to which sequence it looked."""

        def question() -> tuple[list[Delivery], int]:
            chunk, reached = self._chunk(start, last)
            tried = set(self._deliveries.execute(DELIVERIES["exceptions_between"], (target, start, reached)))
            found = [
                delivery_of(sequence, route, rows.decode_record(record))
                for sequence, routes, record in chunk
                for route in rows.decode_routes(routes)
                if route.target == target and (sequence, route.variant) not in tried
            ]
            return found, reached

        return await self._ask(question)

    def _chunk(self, start: int, last: int) -> tuple[list[tuple[int, bytes, bytes]], int]:
        """The next rows of events, and the sequence up to which they are all."""
        chunk = []
        size = 0
        with contextlib.closing(self._events.execute(EVENTS["range"], (start, last, CHUNK))) as found:
            for row in found:
                chunk.append(row)
                size += len(row[2])
                if len(chunk) == CHUNK or size >= CHUNK_BYTES:
                    return chunk, row[0]
        return chunk, last

    async def due(self, now: float) -> tuple[list[str], float | None]:
        """The targets that have retries due, and the time of the next retry after `now`."""

        def question() -> tuple[list[str], float | None]:
            found = self._deliveries.execute(DELIVERIES["due"], (now,)).fetchall()
            targets = [target for target, overdue, _ in found if overdue is not None]
            return targets, min((upcoming for *_, upcoming in found if upcoming is not None), default=None)

        return await self._ask(question)

    async def retries(self, target: str, until: float, most: int, besides: frozenset[Key]) -> list[Delivery]:
        """Up to `most` retries of a target due at `until`, longest overdue first, but for `besides`."""

        def question() -> list[Delivery]:
            limit = most + len(besides)
            found = self._deliveries.execute(DELIVERIES["due_of_target"], (until, target, limit)).fetchall()
            waiting = [row for row in found if (row[0], row[1]) not in besides][:most]
            return [self._tried(target, *row) for row in waiting]

        return await self._ask(question)

    async def dead(self, target: str | None) -> list[DeadLetter]:
        """The dead letters of a target, or of all, oldest first."""

        def question() -> list[DeadLetter]:
            found = self._deliveries.execute(DELIVERIES["dead"], (target,)).fetchall()
            return [
                DeadLetter(self._tried(name, sequence, variant, attempts), at)
                for name, sequence, variant, at, attempts in found
            ]

        return await self._ask(question)

    def _tried(self, target: str, sequence: int, variant: str, attempts: bytes) -> Delivery:
        """A delivery with its history, its event read from its segment."""
        row = self._events.execute(EVENTS["one"], (sequence,)).fetchone()
        if row is None:
            raise StoreError(f"the store has a delivery of event {sequence}, but not the event")
        routes, record = row
        route = next(
            route
            for route in rows.decode_routes(routes)
            if route.target == target and route.variant == variant
        )
        untried = delivery_of(sequence, route, rows.decode_record(record))
        return msgspec.structs.replace(untried, attempts=rows.decode_attempts(attempts))

    # -- the rest -----------------------------------------------------------------------------------------

    async def records(self, first: int, last: int) -> list[Stored]:
        """A chunk of the records from `first` to `last`, with their originals."""

        def question() -> list[Stored]:
            chunk, _ = self._chunk(first, last)
            return [self._stored(*row) for row in chunk]

        return await self._ask(question)

    def _stored(self, sequence: int, routes: bytes, record: bytes) -> Stored:
        row = rows.decode_row(record)
        original = None
        if row.original is not None:
            original = Original(*self._events.execute(EVENTS["original"], (row.original,)).fetchone())
        return Stored(sequence, rows.record_of(row, rows.decode_routes(routes), original))

    async def tally(self) -> list[tuple[str, str, int]]:
        """How many exceptions each target has in each state."""
        return await self._ask(lambda: self._deliveries.execute(DELIVERIES["tally"]).fetchall())

    async def recall(self, version: str) -> str | None:
        """The text of a configuration version."""
        row = await self._ask(lambda: self._deliveries.execute(DELIVERIES["recall"], (version,)).fetchone())
        return None if row is None else str(row[0])
