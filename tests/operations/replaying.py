"""A house in which events are replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel

from router.operations.answers import ReplayTold
from router.operations.desk import Desk, Live
from router.operations.questions import ReplayQuery
from router.rules.model import Deployment
from router.store.base import Record, Store
from tests.operations.archive import all_of, routed
from tests.support import HandClock

NOW = 1_800_000_000.0

RULES = """
rules:
  - {name: everything, match: {type: "*"}, targets: [audit]}
  - name: orders
    match: {type: "order.*", replayname: [{exists: false}]}
    targets: [hook]
  - {name: late, match: {type: order.late}, targets: [hook, audit]}
targets:
  audit: {log: {}}
  hook: {log: {}}
"""


class House:
    """A desk as a running router has one.

    Attributes:
        complaints: why nothing can be stored.
        accepted: what it was told of.
    """

    def __init__(self, store: Store, clock: HandClock, deployment: Deployment, stack: AsyncExitStack) -> None:
        self.store = store
        self.clock = clock
        self.deployment = deployment
        self.complaints: list[str] = []
        self.accepted: list[Record] = []
        self._stack = stack

    async def desk(self, *, live: bool = True) -> Desk:
        return await self._stack.enter_async_context(
            Desk(
                self.store,
                self.clock,
                lambda: self.deployment,
                Live(
                    conditions=dict,
                    complaints=lambda: self.complaints,
                    accepted=self._tell,
                    redriven=lambda: None,
                    now=self.clock.now,
                    sources=list,
                    refused=str,
                )
                if live
                else None,
            )
        )

    def _tell(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        assert len(sequences) == len(records)
        self.accepted += records

    async def until(self, desk: Desk, name: str, wanted: Callable[[ReplayTold], bool]) -> ReplayTold:
        """Let time pass until a replay has come so far."""
        with anyio.fail_after(20):
            while not wanted(told := await desk.replay_named(name)):
                self.clock.advance(0.05)
                await anyio.sleep(0.001)
        return told

    async def through(self, desk: Desk, query: ReplayQuery) -> ReplayTold:
        """Replay to the end."""
        return await self.until(desk, (await desk.replay(query)).name, lambda told: told.state.is_end)

    async def replayed(self) -> list[Record]:
        """The records that replays have made."""
        found = await all_of(self.store.scan())
        return [stored.record for stored in found if "replayname" in stored.record.event.extensions]


async def orders(house: House, count: int) -> Sequence[int]:
    clock = house.clock
    records = [routed(n, type_="order.new", received=clock.now() + n) for n in range(count)]
    clock.advance(count)
    return await house.store.append(records)
