"""An engine with a real store, a clock set by hand, and targets that do as told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import msgspec

from router.delivery.engine import Engine, OrderBy, Render, Way
from router.delivery.retry import Policy
from router.store.base import Delivery, Record, Route, Settlement, State, Store
from router.store.memory import MemoryStore
from router.targets.base import Body, Target
from tests.delivery.clock import JumpingClock
from tests.support import record

POLICY = Policy(attempts=3, within=1_000.0, first=8.0, most=60.0)


class Watcher:
    """An observer that can be waited for."""

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []
        self._more = anyio.Event()

    def settled(self, settlements: Sequence[Settlement]) -> None:
        self.settlements.extend(settlements)
        self._more.set()
        self._more = anyio.Event()

    async def wait_for(self, count: int) -> list[Settlement]:
        with anyio.fail_after(10):
            while len(self.settlements) < count:
                await self._more.wait()
        return self.settlements

    async def wait_for_delivered(self, count: int) -> None:
        with anyio.fail_after(30):
            while sum(one.state is State.DELIVERED for one in self.settlements) < count:
                await self._more.wait()


def transformed(number: int, target: str) -> Record:
    """A record whose event a transform makes a body of."""
    return msgspec.structs.replace(record(number), routes=(Route(target, "text", ("rule",)),))


async def as_it_is(_: Delivery) -> Body | None:
    return None


class House:
    """An engine and what it works with."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        policy: Policy = POLICY,
        store: Store | None = None,
        clock: JumpingClock | None = None,
        rate: float | None = None,
        order: OrderBy | None = None,
        dead_letter: str | None = None,
    ) -> None:
        self.clock = clock or JumpingClock()
        self.store = store or MemoryStore(self.clock)
        self.watcher = Watcher()
        self.render: Render = as_it_is
        self.ways = {
            name: Way(target, policy, target.concurrency, rate, order, dead_letter)
            for name, target in targets.items()
        }
        self.engine = Engine(
            store=self.store,
            ways=self.ways,
            render=self._render,
            clock=self.clock,
            chance=lambda: 0.5,
            observer=self.watcher,
        )

    async def _render(self, delivery: Delivery) -> Body | None:
        return await self.render(delivery)

    @asynccontextmanager
    async def running(self, grace: float = 5.0) -> AsyncIterator[House]:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(self.engine.run, grace)
                yield self
                self.engine.stop()
