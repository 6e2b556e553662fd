"""Writes down what became of deliveries, in groups, and never lets go of one that could not be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import structlog

from router.clock import Clock
from router.store.base import Settlement, Store, StoreError

PAUSE = 1.0
"""Seconds between two tries to write to a store that refuses."""

PULSE = 1.0
"""Seconds between two looks at attempts under way."""

MOST_WAITING = 5_000
"""How many settlements may wait for the store before workers wait too."""

log = structlog.stdlib.get_logger(__name__)


class Settler:
    """Gathers settlements while the store commits the last group, then commits them as the next.

    Args:
        settled: called on the event loop with each group after its commit.
    """

    def __init__(self, store: Store, clock: Clock, settled: Callable[[Sequence[Settlement]], None]) -> None:
        self._store = store
        self._clock = clock
        self._settled = settled
        self._waiting: list[Settlement] = []
        self._gathered = anyio.Event()
        self._emptied = anyio.Event()
        self._pause = anyio.CancelScope()

    async def add(self, settlements: Sequence[Settlement]) -> None:
        """Hand in what became of claimed deliveries; wait while too many are not written yet."""
        self._waiting.extend(settlements)
        self._gathered.set()
        while len(self._waiting) >= MOST_WAITING:
            await self._emptied.wait()

    async def run(self, finished: anyio.Event) -> None:
        """Write until `finished` is set and nothing waits any more."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._pulse)
            group.start_soon(self._wake_at, finished)
            while self._waiting or not finished.is_set():
                if not finished.is_set():
                    await self._gathered.wait()
                self._gathered = anyio.Event()
                batch, self._waiting = self._waiting, []
                self._emptied.set()
                self._emptied = anyio.Event()
                await self._write(batch, finished)
            group.cancel_scope.cancel()

    async def _wake_at(self, finished: anyio.Event) -> None:
        await finished.wait()
        self._gathered.set()
        self._pause.cancel()

    async def _pulse(self) -> None:
        """Let the store take note of attempts that take long, also while none ends."""
        while True:
            await self._clock.sleep_until(self._clock.now() + PULSE)
            self._gathered.set()

    async def _write(self, batch: Sequence[Settlement], finished: anyio.Event) -> None:
        while True:
            try:
                await self._store.settle(batch)
            except StoreError as error:
                log.error("delivery.unwritten", deliveries=len(batch), error=error.message)
                if finished.is_set():
                    return  # the next life delivers these again: better twice than a router that hangs
                with anyio.CancelScope() as self._pause:
                    await self._clock.sleep_until(self._clock.now() + PAUSE)
            else:
                if batch:
                    self._settled(batch)
                return
