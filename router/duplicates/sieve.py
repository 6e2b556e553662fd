"""Lets through what was not accepted before, and holds back what was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import anyio
import structlog

from router.clock import Clock
from router.duplicates.window import Window
from router.events.fingerprint import content_of
from router.store.base import Record, Store
from router.telemetry.quota import Quota

log = structlog.stdlib.get_logger(__name__)


class Appended(NamedTuple):
    """What became of records.

    Attributes:
        sequences: of those that were stored, in their order.
        stored: those.
        duplicates: how many were not, because they had been accepted before.
    """

    sequences: Sequence[int]
    stored: Sequence[Record]
    duplicates: int


class _Commit:
    """Records on their way to the disk. Hardly ever does anybody wait for one."""

    __slots__ = ("_ended", "_event")

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._ended = False

    def end(self) -> None:
        """They are there, or will not be."""
        self._ended = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Return when it has ended."""
        if not self._ended:
            self._event = self._event or anyio.Event()
            await self._event.wait()


class Sieve:
    """In front of a store's `append`.

    A second try is recognised by its fingerprint, and then confirmed against the stored event: two events
    whose fingerprints are equal by chance are both accepted. While the first try is on its way to the disk,
    the second waits for it.

    Args:
        window: what is remembered; None for nothing: then everything is let through.

    Attributes:
        suppressed: how many duplicates there were.
        conflicts: how many events shared source and id with another event in the window. They are accepted:
            clouds have been seen to give 33 different events one id.
    """

    def __init__(self, store: Store, window: Window | None, clock: Clock) -> None:
        self.suppressed = 0
        self.conflicts = 0
        self._store = store
        self._window = window
        self._clock = clock
        self._under_way: dict[bytes, _Commit] = {}
        self._quota: Quota[str] = Quota(clock, most=1)

    @property
    def cut_short(self) -> int:
        """How many events left the window before their time, because it was full."""
        return self._window.cut_short if self._window else 0

    async def append(self, records: Sequence[Record]) -> Appended:
        """Store those records that are new; return when all are on disk, also those of earlier tries.

        Raises:
            router.store.base.StoreError: nothing was stored.
        """
        if self._window is None:
            return Appended(await self._store.append(records), records, 0)
        known: dict[bytes, bool] = {}
        while True:
            fresh, questions = self._sift(self._window, records, known)
            if not questions:
                break
            for ask in questions:
                await ask()
        self._note_conflicts(self._window, fresh)
        sequences = await self._store_all(self._window, fresh) if fresh else ()
        duplicates = len(records) - len(fresh)
        self.suppressed += duplicates
        if duplicates and self._quota.admits("duplicates"):
            log.info("events.repeated", source=records[0].source, now=duplicates, so_far=self.suppressed)
        return Appended(sequences, fresh, duplicates)

    def _sift(
        self, window: Window, records: Sequence[Record], known: dict[bytes, bool]
    ) -> tuple[list[Record], list[Callable[[], Awaitable[None]]]]:
        """The new ones, and what must be asked before all are known. It never waits."""
        now = self._clock.now()
        fresh: dict[bytes, Record] = {}
        more: list[Record] = []
        questions: list[Callable[[], Awaitable[None]]] = []
        for record in records:
            mark = record.fingerprint
            if mark in fresh:
                if content_of(fresh[mark].event) != content_of(record.event):
                    more.append(record)
            elif (commit := self._under_way.get(mark)) is not None:
                questions.append(commit.wait)
            elif (earlier := window.find(mark, now).sequence) is None or known.get(mark) is False:
                fresh[mark] = record
            elif mark not in known:
                questions.append(partial(self._confirm, record, earlier, known))
        return [*fresh.values(), *more], questions

    async def _confirm(self, record: Record, earlier: int, known: dict[bytes, bool]) -> None:
        """Compare a record with the stored event that has its fingerprint, if that is still there."""
        stored = await self._store.get(earlier)
        same = stored is not None and content_of(stored.record.event) == content_of(record.event)
        known[record.fingerprint] = same

    async def _store_all(self, window: Window, records: Sequence[Record]) -> Sequence[int]:
        commit = _Commit()
        self._under_way |= dict.fromkeys((record.fingerprint for record in records), commit)
        try:
            # A sender that hangs up must not leave it open whether its event is on disk.
            with anyio.CancelScope(shield=True):
                sequences = await self._store.append(records)
            for sequence, record in zip(sequences, records, strict=True):
                window.add(record.fingerprint, sequence, record.received)
        finally:
            for record in records:
                self._under_way.pop(record.fingerprint, None)
            commit.end()
        return sequences

    def _note_conflicts(self, window: Window, records: Sequence[Record]) -> None:
        now = self._clock.now()
        for record in records:
            if window.find(record.fingerprint, now).conflict:
                self.conflicts += 1
                if self._quota.admits("conflicts"):
                    event = record.event
                    log.warning(
                        "event.conflict",
                        source=event.source,
                        id=event.id,
                        hint="another event had this source and id; both are accepted, and routed",
                        so_far=self.conflicts,
                    )
