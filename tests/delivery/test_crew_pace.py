"""How fast a target's workers go: its rate, its pace, and batches that wait until they are full."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from router.store.base import Delivery, StoreError
from router.store.memory import MemoryStore
from router.targets.base import Message, Outcome
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import settle_down
from tests.delivery.house import House
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio


class TestRate:
    async def test_no_more_begin_than_the_rate_says(self) -> None:
        target = ScriptedTarget(concurrency=16)
        house = House({"a": target}, rate=10.0)
        await house.store.append([record(number, "a") for number in range(50)])
        counts = []
        async with house.running():
            for _ in range(5):
                await settle_down()
                counts.append(len(target.seen))
                for _ in range(100):
                    house.clock.advance(0.01)
                    await settle_down()
        assert counts == pytest.approx([2, 12, 22, 32, 42], abs=1)

    async def test_idle_workers_hold_no_share_back(self) -> None:
        target = ScriptedTarget(concurrency=16)
        async with House({"a": target}, rate=10.0).running() as house:
            await settle_down()
            house.clock.advance(100.0)
            await house.store.append([record(number, "a") for number in range(50)])
            await settle_down()
            assert len(target.seen) <= 3

    async def test_what_a_batch_does_not_use_of_its_share_is_there_for_the_next(self) -> None:
        target = ScriptedTarget(batch=500)
        async with House({"a": target}, rate=100.0).running() as house:
            for number in range(8):
                await house.store.append([record(number, "a")])
                await settle_down()
            assert len(target.seen) == 8

    async def test_a_batch_is_as_long_as_the_rate_allows(self) -> None:
        target = ScriptedTarget(batch=500)
        house = House({"a": target}, rate=100.0)
        await house.store.append([record(number, "a") for number in range(50)])
        async with house.running():
            await settle_down()
            assert len(target.seen) == 11
            house.clock.advance(0.055)
            await settle_down()
            assert len(target.seen) == 16


class TestPace:
    async def test_what_comes_alone_goes_at_once_and_what_comes_then_goes_together(self) -> None:
        class Heavy(ScriptedTarget):
            pace = 0.5

        target = Heavy(batch=10)
        async with House({"a": target}).running() as house:
            for number in (1, 2, 3):
                await house.store.append([record(number, "a")])
                await settle_down()
            assert len(target.seen) == 1
            house.clock.advance(0.49)
            await settle_down()
            assert len(target.seen) == 1
            house.clock.advance(0.01)
            await target.wait_for(3)
            house.clock.advance(10.0)
            await settle_down()
            await house.store.append([record(4, "a")])
            await target.wait_for(4)

    async def test_it_does_not_hold_up_the_end(self) -> None:
        class Heavy(ScriptedTarget):
            pace = 3_600.0

        target = Heavy()
        house = House({"a": target})
        async with house.running():
            await house.store.append([record(1, "a"), record(2, "a")])
            await house.watcher.wait_for(1)
            await settle_down()
        assert len(target.seen) == 1


class Lingers(ScriptedTarget):
    """Waits for a full batch; remembers how long each was."""

    def __init__(self, linger: float, batch: int = 10) -> None:
        super().__init__(batch=batch)
        self.linger = linger
        self.sizes: list[int] = []

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.sizes.append(len(messages))
        return await super().deliver(messages)


class TestLinger:
    async def test_a_batch_waits_for_others_and_not_for_long(self) -> None:
        target = Lingers(0.5)
        async with House({"a": target}).running() as house:
            for number in range(3):
                await house.store.append([record(number, "a")])
                await settle_down()
                house.clock.advance(0.1)
            await settle_down()
            assert target.sizes == []
            house.clock.advance(0.21)
            await house.watcher.wait_for(3)
            assert target.sizes == [3]

    async def test_a_full_batch_goes_at_once(self) -> None:
        target = Lingers(0.5)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(7)])
            await settle_down()
            await house.store.append([record(number, "a") for number in range(7, 14)])
            await settle_down()
            assert target.sizes == [10]
            house.clock.advance(0.5)
            await house.watcher.wait_for(14)
        assert target.sizes == [10, 4]

    async def test_what_waits_for_others_when_the_engine_stops_goes_out(self) -> None:
        target = Lingers(10.0)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(3)])
            await settle_down()
            house.engine.stop()
            await house.watcher.wait_for(3)
        assert target.sizes == [3]
        assert await house.store.tally() == {}

    async def test_a_store_that_fails_meanwhile_costs_nothing(self) -> None:
        class Failing(MemoryStore):
            claims = 0

            async def claim(self, target: str, most: int) -> Sequence[Delivery]:
                self.claims += 1
                if self.claims == 2:
                    raise StoreError("the store cannot read")
                return await super().claim(target, most)

        clock = JumpingClock()
        target = Lingers(10.0)
        async with House({"a": target}, store=Failing(clock), clock=clock).running() as house:
            await house.store.append([record(number, "a") for number in range(3)])
            await house.watcher.wait_for(3)
        assert target.sizes == [3]

    async def test_a_rate_counts_what_lingers(self) -> None:
        target = Lingers(0.05)
        async with House({"a": target}, rate=20.0).running() as house:
            await house.store.append([record(number, "a") for number in range(30)])
            for _ in range(100):
                await settle_down()
                house.clock.advance(0.01)
            assert len(target.seen) == pytest.approx(22, abs=2)
