"""Lets through what was not accepted before, and holds back what was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import structlog

from router.clock import Clock
from router.duplicates.window import Window
from router.events.fingerprint import content_of
from router.store.base import Record, Store
from router.store.intake import Answered, Group, Intake, Listener
from router.telemetry.quota import Quota

log = structlog.stdlib.get_logger(__name__)


class Deaf:
    """A listener that heeds nothing."""

    def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `Listener.stored`."""

    def failed(self, error: Exception, records: Sequence[Record], requests: int) -> None:
        """See `Listener.failed`."""


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
        listener: who is told what becomes of records.
    """

    def __init__(self, store: Store, window: Window | None, clock: Clock) -> None:
        self.suppressed = 0
        self.conflicts = 0
        self.listener: Listener = Deaf()
        self._store = store
        self._intake = Intake(store, self)
        self._window = window
        self._clock = clock
        self._under_way: dict[bytes, Group] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._quota: Quota[str] = Quota(clock, most=1)

    def offer(self, records: Sequence[Record], answered: Answered) -> None:
        """Store those records that are new, one or more being offered.

        Args:
            records: of one request.
            answered: called once, on the event loop, perhaps from in here: when all of them are on disk,
                also those of earlier tries, or nothing of them is.
        """
        window = self._window
        if window is None:
            self._intake.put(records, answered)
            return
        marks = [record.fingerprint for record in records]
        if (
            self._under_way.keys().isdisjoint(marks)
            and window.has_none_of(marks)
            and (len(marks) == 1 or len(set(marks)) == len(marks))
        ):
            # As nearly always: nothing like them has ever been seen.
            self._put(records, marks, answered)
            return
        known: dict[int, bool] = {}
        sifted = self._sift(window, records, known)
        if sifted.questions:
            asking = self._ask(window, records, sifted, known, answered)
            task = asyncio.get_running_loop().create_task(asking)
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        else:
            self._pass(records, sifted, answered)

    def _put(self, records: Sequence[Record], marks: Sequence[bytes], answered: Answered) -> None:
        group = self._intake.put(records, answered)
        for mark in marks:
            self._under_way[mark] = group

    async def _ask(
        self,
        window: Window,
        records: Sequence[Record],
        sifted: _Sifted,
        known: dict[int, bool],
        answered: Answered,
    ) -> None:
        try:
            while sifted.questions:
                for ask in sifted.questions:
                    await ask()
                sifted = self._sift(window, records, known)
        except Exception as error:  # noqa: BLE001 -- whatever it is: who waits must be told
            self.listener.failed(error, records, 1)
            answered(error)
        else:
            self._pass(records, sifted, answered)

    def _sift(self, window: Window, records: Sequence[Record], known: dict[int, bool]) -> _Sifted:
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
            if (group := self._under_way.get(mark)) is not None:
                questions.append(group.wait)
                continue
            earlier, conflict = window.find(mark, now)
            if earlier is None or known.get(id(record)) is False:
                fresh[mark] = record
                if conflict:
                    conflicts.append(record)
            elif id(record) not in known:
                questions.append(partial(self._confirm, record, earlier, known))
        return _Sifted([*fresh.values(), *more], conflicts, questions)

    async def _confirm(self, record: Record, earlier: int, known: dict[int, bool]) -> None:
        """Compare a record with the stored event that has its fingerprint, if that is still there.

        What is known is about this record alone: another one of its request may share the fingerprint.
        """
        stored = await self._store.get(earlier)
        same = stored is not None and content_of(stored.record.event) == content_of(record.event)
        known[id(record)] = same

    def _pass(self, records: Sequence[Record], sifted: _Sifted, answered: Answered) -> None:
        """Store what was found to be new."""
        self._note_conflicts(sifted.conflicts)
        fresh = sifted.fresh
        duplicates = len(records) - len(fresh)
        if not fresh:
            self._note_duplicates(records, duplicates)
            answered(None)
        elif not duplicates:
            self._put(fresh, _marks_of(fresh), answered)
        else:

            def told(error: Exception | None) -> None:
                if error is None:
                    self._note_duplicates(records, duplicates)
                answered(error)

            self._put(fresh, _marks_of(fresh), told)

    def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `Listener.stored`: what was under way will be found in the window from now on."""
        if self._window is not None:
            marks = _marks_of(records)
            self._forget(marks)
            self._window.add(marks, sequences, [record.received for record in records])
        self.listener.stored(sequences, records)

    def failed(self, error: Exception, records: Sequence[Record], requests: int) -> None:
        """See `Listener.failed`: another try of these is the first one."""
        self._forget(_marks_of(records))
        self.listener.failed(error, records, requests)

    def _forget(self, marks: Sequence[bytes]) -> None:
        """These are no longer under way; two records by one mark may have been."""
        for mark in marks:
            self._under_way.pop(mark, None)

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


def _marks_of(records: Sequence[Record]) -> list[bytes]:
    return list(map(_mark, records))


_mark = attrgetter("fingerprint")
