"""Lets through what was not accepted before, and holds back what was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from router.clock import Clock
from router.duplicates.window import Window
from router.events.fingerprint import content_of
from router.store.base import Record, Store
from router.store.intake import Intake
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


Done = Callable[[Appended | Exception], None]
"""Told what became of records; an exception means that nothing of them was stored."""


class _Commit:
    """Records on their way to the disk. Hardly ever does anybody wait for one."""

    __slots__ = ("_ended", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] | None = None
        self._ended = False

    def end(self) -> None:
        """They are there, or will not be."""
        self._ended = True
        for future in self._waiting or ():
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Return when it has ended."""
        if not self._ended:
            future = asyncio.get_running_loop().create_future()
            self._waiting = [*(self._waiting or ()), future]
            await future


class _Sifted(NamedTuple):
    """Records, looked at.

    Attributes:
        fresh: the new ones.
        conflicts: those of them that share source and id with another event.
        questions: what must be asked before all are known.
    """

    fresh: list[Record]
    conflicts: list[Record]
    questions: list[Callable[[], Awaitable[None]]]


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
        self._intake = Intake(store)
        self._window = window
        self._clock = clock
        self._under_way: dict[bytes, _Commit] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._quota: Quota[str] = Quota(clock, most=1)

    @property
    def cut_short(self) -> int:
        """How many events left the window before their time, because it was full."""
        return self._window.cut_short if self._window else 0

    async def append(self, records: Sequence[Record]) -> Appended:
        """As `offer`, but wait for it. Cancelling the wait takes nothing back.

        Raises:
            router.store.base.StoreError: nothing was stored.
        """
        future: asyncio.Future[Appended | Exception] = asyncio.get_running_loop().create_future()
        self.offer(records, lambda outcome: None if future.done() else future.set_result(outcome))
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def offer(self, records: Sequence[Record], done: Done) -> None:
        """Store those records that are new. `done` is called once, on the event loop, perhaps from in here.

        It is called when all of them are on disk, also those of earlier tries, or none is.
        """
        if self._window is None:
            self._intake.put(records, partial(_let_through, records, done))
            return
        known: dict[bytes, bool] = {}
        sifted = self._sift(self._window, records, known)
        if sifted.questions:
            asking = self._ask(self._window, records, sifted, known, done)
            task = asyncio.get_running_loop().create_task(asking)
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        else:
            self._store_all(self._window, records, sifted, done)

    async def _ask(
        self, window: Window, records: Sequence[Record], sifted: _Sifted, known: dict[bytes, bool], done: Done
    ) -> None:
        try:
            while sifted.questions:
                for ask in sifted.questions:
                    await ask()
                sifted = self._sift(window, records, known)
        except Exception as error:  # noqa: BLE001 -- whatever it is: who waits must be told
            done(error)
        else:
            self._store_all(window, records, sifted, done)

    def _sift(self, window: Window, records: Sequence[Record], known: dict[bytes, bool]) -> _Sifted:
        now = self._clock.now()
        fresh: dict[bytes, Record] = {}
        more: list[Record] = []
        conflicts: list[Record] = []
        questions: list[Callable[[], Awaitable[None]]] = []
        for record in records:
            mark = record.fingerprint
            if mark in fresh:
                if content_of(fresh[mark].event) != content_of(record.event):
                    more.append(record)
                continue
            if (commit := self._under_way.get(mark)) is not None:
                questions.append(commit.wait)
                continue
            earlier, conflict = window.find(mark, now)
            if earlier is None or known.get(mark) is False:
                fresh[mark] = record
                if conflict:
                    conflicts.append(record)
            elif mark not in known:
                questions.append(partial(self._confirm, record, earlier, known))
        return _Sifted([*fresh.values(), *more], conflicts, questions)

    async def _confirm(self, record: Record, earlier: int, known: dict[bytes, bool]) -> None:
        """Compare a record with the stored event that has its fingerprint, if that is still there."""
        stored = await self._store.get(earlier)
        same = stored is not None and content_of(stored.record.event) == content_of(record.event)
        known[record.fingerprint] = same

    def _store_all(self, window: Window, records: Sequence[Record], sifted: _Sifted, done: Done) -> None:
        self._note_conflicts(sifted.conflicts)
        fresh = sifted.fresh
        duplicates = len(records) - len(fresh)
        if not fresh:
            self._note_duplicates(records, duplicates)
            done(Appended((), [], duplicates))
            return
        commit = _Commit()
        for record in fresh:
            self._under_way[record.fingerprint] = commit

        def stored(outcome: Sequence[int] | Exception) -> None:
            for record in fresh:
                self._under_way.pop(record.fingerprint, None)
            if isinstance(outcome, Exception):
                commit.end()
                done(outcome)
                return
            for sequence, record in zip(outcome, fresh, strict=True):
                window.add(record.fingerprint, sequence, record.received)
            commit.end()
            if duplicates:
                self._note_duplicates(records, duplicates)
            done(Appended(outcome, fresh, duplicates))

        self._intake.put(fresh, stored)

    def _note_duplicates(self, records: Sequence[Record], count: int) -> None:
        self.suppressed += count
        if self._quota.admits("duplicates"):
            log.info("events.repeated", source=records[0].source, now=count, so_far=self.suppressed)

    def _note_conflicts(self, records: Sequence[Record]) -> None:
        for record in records:
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


def _let_through(records: Sequence[Record], done: Done, outcome: Sequence[int] | Exception) -> None:
    done(outcome if isinstance(outcome, Exception) else Appended(outcome, records, 0))
