"""Writes down what became of deliveries, in groups, and never lets go of one that could not be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import structlog

from router.clock import Clock
from router.store.base import Record, Settlement, State, Store, StoreError
from router.telemetry.quota import Quota

PAUSE = 1.0
"""Seconds between two tries to write to a store that refuses."""

PULSE = 1.0
"""Seconds between two looks at attempts under way."""

PACE = 0.01
"""Seconds from one group to the next at least, where many come: so groups are large."""

MOST_WAITING = 5_000
"""How many settlements may wait for the store before workers wait too."""

log = structlog.stdlib.get_logger(__name__)


class Settler:
    """Gathers settlements while the store commits the last group, then commits them as the next.

    One that comes alone is written at once. Where others have come while it was written, they wait for more,
    but not for long: a commit costs as much for one as for a hundred.

    Attributes:
        problem: why the last group could not be written; None where it was.

    Args:
        settled: called on the event loop with each group after its commit.
        notice: gives what is to be told of a dead letter to somebody; it is stored before the outcome.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settled: Callable[[Sequence[Settlement]], None],
        notice: Callable[[Settlement], Record | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settled = settled
        self._notice = notice
        self.problem: str | None = None
        self._quota: Quota[str] = Quota(clock, most=1)
        self._refused_since: float | None = None
        self._waiting: list[Settlement] = []
        self._at_once = False
        self._added = self._tried = 0
        self._gathered = anyio.Event()
        self._moved_on = anyio.Event()
        self._pace = anyio.CancelScope()
        self._pause = anyio.CancelScope()

    def add(self, settlements: Sequence[Settlement], *, at_once: bool = False) -> None:
        """Hand in what became of claimed deliveries; then wait for `room`, if it `is_full`.

        Args:
            settlements: what became of them.
            at_once: somebody waits for it.
        """
        if not self._waiting:
            self._gathered.set()
        self._waiting.extend(settlements)
        self._added += len(settlements)
        if at_once:
            self._hurry()

    @property
    def is_full(self) -> bool:
        """Whether too many are not written yet."""
        return len(self._waiting) >= MOST_WAITING

    async def room(self) -> None:
        """Wait while it `is_full`."""
        while self.is_full:
            await self._moved_on.wait()

    async def flushed(self) -> None:
        """Wait until what was handed in by now is written, or the store has refused it for the first time."""
        added = self._added
        while self._tried < added:
            self._hurry()
            await self._moved_on.wait()

    async def run(self, finished: anyio.Event) -> None:
        """Write until `finished` is set and nothing waits any more."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._pulse)
            group.start_soon(self._wake_at, finished)
            while self._waiting or not finished.is_set():
                if not finished.is_set():
                    await self._gathered.wait()
                await self._write_next(finished)
            group.cancel_scope.cancel()

    async def _write_next(self, finished: anyio.Event) -> None:
        """Write what has gathered, and wait until it is time for the next."""
        began = anyio.current_time()
        self._gathered = anyio.Event()
        batch, self._waiting = self._waiting, []
        self._at_once = False
        self._move_on()
        await self._write(batch, finished)
        if self._waiting and not (self._at_once or finished.is_set()):
            with anyio.move_on_after(began + PACE - anyio.current_time()) as self._pace:
                await anyio.sleep_forever()

    def _hurry(self) -> None:
        self._at_once = True
        self._pace.cancel()

    def _move_on(self) -> None:
        self._moved_on.set()
        self._moved_on = anyio.Event()

    async def _wake_at(self, finished: anyio.Event) -> None:
        await finished.wait()
        self._gathered.set()
        self._pace.cancel()
        self._pause.cancel()

    async def _pulse(self) -> None:
        """Let the store take note of attempts that take long, also while none ends."""
        while True:
            await self._clock.sleep_until(self._clock.now() + PULSE)
            self._gathered.set()

    async def _write(self, batch: Sequence[Settlement], finished: anyio.Event) -> None:
        tried = self._tried + len(batch)
        batch = await self._told(batch, finished)
        while True:
            problem = None
            try:
                await self._store.settle(batch)
            except StoreError as error:
                problem = error.message
            self.problem = problem
            self._tried = tried
            self._move_on()
            if problem is None:
                self._tell_written(len(batch))
                if batch:
                    self._settled(batch)
                return
            self._tell_unwritten(len(batch), problem, is_last=finished.is_set())
            if finished.is_set():
                return  # the next life delivers these again: better twice than a router that hangs
            with anyio.CancelScope() as self._pause:
                await self._clock.sleep_until(self._clock.now() + PAUSE)

    def _tell_unwritten(self, deliveries: int, problem: str, *, is_last: bool) -> None:
        """Say that a store refuses, once a minute: the log may stand on the disk that is full.

        Args:
            deliveries: whose outcomes it refuses.
            problem: why.
            is_last: whether they are not tried again: said in any case.
        """
        if deliveries and (is_last or self._quota.admits("unwritten")):
            if self._refused_since is None:
                self._refused_since = self._clock.now()
            log.error("delivery.unwritten", deliveries=deliveries, error=problem)

    def _tell_written(self, deliveries: int) -> None:
        """Say that a store takes outcomes again, if it was said that it did not."""
        if self._refused_since is not None:
            seconds = round(self._clock.now() - self._refused_since)
            self._refused_since = None
            log.info("delivery.written", deliveries=deliveries, seconds=seconds)

    async def _told(self, batch: Sequence[Settlement], finished: anyio.Event) -> Sequence[Settlement]:
        """Store the notices of a group; what they tell of waits for the next one where they cannot be.

        Before the outcomes: a crash in between tells it twice, and never not at all.
        """
        dead = State.DEAD
        letters = {index: self._notice(one) for index, one in enumerate(batch) if one.state is dead}
        notices = {index: notice for index, notice in letters.items() if notice is not None}
        if not notices:
            return batch
        try:
            await self._store.append(list(notices.values()))
        except StoreError as error:
            if self._quota.admits("untold"):
                log.error("delivery.untold", deliveries=len(notices), error=error.message)
            if not finished.is_set():
                self._waiting[:0] = [batch[index] for index in notices]
                self._added += len(notices)
            return [one for index, one in enumerate(batch) if index not in notices]
        return batch
