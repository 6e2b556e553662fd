"""Questions to the disk, one at a time, off the event loop, on connections of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from router.store import rows
from router.store.advice import DamagedError, told
from router.store.archive import Archive
from router.store.base import Delivery, StoreError, delivery_of
from router.store.layout import Segments, connect
from router.store.log.index import Index
from router.store.queries import DELIVERIES
from router.store.volume import UnreadableError

T = TypeVar("T")


class Reader:
    """Both halves of the store, for questions that are asked one after another.

    A store has several of them: who asks one waits for nobody who asks another. What is known of logs
    (`indexes`, by path) they share.

    Attributes:
        archive: what was accepted.
        deliveries: what became of it.
    """

    def __init__(self, segments: Segments, deliveries: Path, indexes: dict[Path, Index]) -> None:
        self.archive = Archive(segments, indexes)
        self.deliveries = connect(deliveries, writing=False)
        # A limiter of its own: whoever else keeps the shared threads busy does not keep deliveries waiting.
        self._turn = anyio.CapacityLimiter(1)

    def abandon(self) -> None:
        """Close all connections; nobody may be asking."""
        self.archive.close()
        self.deliveries.close()

    async def close(self) -> None:
        """Close all connections once the question under way is answered."""
        await self.ask(self.abandon)

    async def ask(self, question: Callable[[], T]) -> T:
        """Cancelling the wait for a turn is fine; once asked, the answer is awaited.

        Raises:
            StoreError: the disk does not answer.
        """

        def answer() -> T:
            self.archive.look_around()
            return question()

        try:
            return await anyio.to_thread.run_sync(answer, limiter=self._turn)
        except (OSError, sqlite3.Error, DamagedError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"the store cannot read: {told(error)}") from error

    def targets(self) -> list[str]:
        """The targets that have exceptions."""
        return [target for (target,) in self.deliveries.execute(DELIVERIES["exceptional_targets"])]

    def exception(self, target: str, sequence: int, variant: str) -> tuple[str, float, bytes, str] | None:
        """State, time, history and origin of an exception."""
        found: tuple[str, float, bytes, str] | None = self.deliveries.execute(
            DELIVERIES["exception"], (target, sequence, variant)
        ).fetchone()
        return found

    def told(self, target: str, first: int, last: int) -> set[tuple[int, str]]:
        """Sequence and variant of a target's exceptions from `first` to `last`, both included."""
        return set(self.deliveries.execute(DELIVERIES["exceptions_between"], (target, first, last)))

    def delivery(
        self, target: str, sequence: int, variant: str, attempts: bytes = b"\x90", origin: str = ""
    ) -> Delivery:
        """A delivery with its history, its event read from the archive.

        Args:
            target: where it goes.
            sequence: the event's.
            variant: the body's.
            attempts: as a row holds them.
            origin: the target whose route asked for it, where an operator has moved it; else "".

        Raises:
            UnreadableError: there is no such event, it has no such route, or it cannot be read.
        """
        arrival = self.archive.arrival(sequence)
        if arrival is None:
            raise UnreadableError(f"the event {sequence} is not in the store")
        record = self.archive.record(arrival)
        asked = (origin or target, variant)
        route = next((one for one in record.routes if (one.target, one.variant) == asked), None)
        if route is None:
            raise UnreadableError(f"the event {sequence} has no route to {asked[0]}")
        untried = delivery_of(sequence, msgspec.structs.replace(route, target=target), record)
        return msgspec.structs.replace(untried, attempts=rows.decode_attempts(attempts))
