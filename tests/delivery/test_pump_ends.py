"""Deliveries that nobody waits for: how they end with their crew, and what becomes of faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import pytest

from router.delivery import settler as settler_module
from router.delivery.breaker import Mode
from router.delivery.engine import Way
from router.store.base import Delivery, Place, Settlement, State, Tally
from router.store.memory import MemoryStore
from router.targets.base import Delivered, Message, Outcome, Rejected
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import condition, settle_down
from tests.delivery.house import POLICY, House
from tests.delivery.prompting import EXPIRED, ONE_KEY, Held
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio


def ids(settlements: Sequence[Settlement]) -> list[str]:
    return [one.delivery.event.id for one in settlements]


class TestEnding:
    async def test_what_is_under_way_ends_and_nothing_else_begins(self) -> None:
        target = Held(concurrency=2)
        house = House({"a": target})
        await house.store.append([record(number, "a") for number in range(5)])
        async with house.running():
            await target.wait_for(2)
            house.engine.stop()
            await settle_down()
            target.answer("0")
            await house.watcher.wait_for(1)
            await settle_down()
            target.answer("1", outcome=Rejected("bad"))
        assert {one.delivery.event.id: one.state for one in house.watcher.settlements} == {
            "0": State.DELIVERED,
            "1": State.DEAD,
        }
        assert len(target.seen) == 2
        assert await house.store.tally() == {"a": Tally(pending=3, dead=1)}

    async def test_what_nothing_came_of_is_asked_for_then_too(self) -> None:
        target = Held(concurrency=2)
        target.outcome = lambda answer: None  # type: ignore[method-assign]
        house = House({"a": target})
        await house.store.append([record(number, "a") for number in range(2)])
        async with house.running():
            await target.wait_for(2)
            house.engine.stop()
            await settle_down()
            target.answer()
        assert sorted(ids(house.watcher.settlements)) == ["0", "1"]

    async def test_after_the_time_of_grace_no_answer_counts(self) -> None:
        target = Held()
        house = House({"a": target})
        await house.store.append([record(1, "a")])
        async with house.running(grace=0.01):
            await target.wait_for(1)
            house.engine.stop()
        target.answer()
        await settle_down()
        assert house.watcher.settlements == []
        assert await house.store.tally() == {"a": Tally(pending=1)}

    async def test_a_reload_ends_when_what_the_old_one_has_under_way_has(self) -> None:
        old, new = Held(concurrency=2), Held(concurrency=3)
        async with House({"a": old}).running() as house:
            await house.store.append([record(number, "a") for number in range(20)])
            await old.wait_for(2)
            reloaded = anyio.Event()

            async def reload() -> None:
                await house.engine.reload({"a": Way(new, POLICY, 3)})
                reloaded.set()

            async with anyio.create_task_group() as group:
                group.start_soon(reload)
                while len(new.seen) < 18:
                    await settle_down()
                    new.answer()
                old.answer("1")
                await settle_down()
                assert not reloaded.is_set()
                old.answer("0")
            new.answer()
            await house.watcher.wait_for(20)
        assert (len(old.seen), len(new.seen)) == (2, 18)
        assert await house.store.tally() == {}

    async def test_an_order_begins_when_what_was_begun_before_it_has_ended(self) -> None:
        old, new = Held(concurrency=2), ScriptedTarget()
        async with House({"a": old}).running() as house:
            await house.store.append([record(number, "a") for number in range(4)])
            await old.wait_for(2)
            async with anyio.create_task_group() as group:
                group.start_soon(house.engine.reload, {"a": Way(new, POLICY, 1, order=ONE_KEY)})
                await settle_down()
                assert new.seen == []
                old.answer()
            await house.watcher.wait_for(4)
        assert [message.event.id for message in new.seen] == ["2", "3"]


class TestFaults:
    async def test_a_target_whose_code_fails_costs_no_delivery_and_no_place(self) -> None:
        class Broken(Held):
            def begin(self, message: Message, done: Callable[[object], None]) -> bool:
                if message.event.id == "0":
                    raise ZeroDivisionError("in begin")
                return super().begin(message, done)

            def outcome(self, answer: object) -> Outcome | None:
                if answer == "raise":
                    raise ZeroDivisionError("in outcome")
                return super().outcome(answer)  # type: ignore[arg-type]

        target = Broken(concurrency=1)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(5)])
            for number, answer in enumerate(["raise", "odd", ZeroDivisionError("as answer"), Delivered()], 1):
                await target.wait_for(number)
                target.answer(str(number), outcome=answer)
            settlements = await house.watcher.wait_for(5)
        assert ids(settlements) == ["0", "1", "2", "3", "4"]
        errors = [one.attempt.error for one in settlements if one.attempt is not None]
        failed = "the target's code failed: "
        assert errors == [
            failed + "ZeroDivisionError: in begin",
            failed + "ZeroDivisionError: in outcome",
            failed + "TypeError: an outcome for each of 1 messages was due, not ['odd']",
            failed + "ZeroDivisionError: as answer",
            None,
        ]
        assert [one.state for one in settlements] == [State.RETRYING] * 4 + [State.DELIVERED]

    async def test_a_second_answer_and_one_to_what_was_not_begun_do_not_count(self) -> None:
        kept: list[Callable[[object], None]] = []

        class Chatty(Held):
            def begin(self, message: Message, done: Callable[[object], None]) -> bool:
                kept.append(done)
                return super().begin(message, done)

        target = Chatty(concurrency=2)
        target.begins = lambda message: message.event.id == "0"
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(2)])
            await house.watcher.wait_for(1)
            target.answer("0")
            for done in kept:
                done(EXPIRED)
            await house.watcher.wait_for(2)
            await settle_down()
            assert condition(house).mode is Mode.CLOSED
            await house.store.append([record(number, "a") for number in (2, 3, 4)])
            await house.watcher.wait_for(5)
        assert [one.state for one in house.watcher.settlements] == [State.DELIVERED] * 5
        assert target.most == 2

    async def test_a_fault_of_the_routers_own_is_not_lost_in_the_loop(self) -> None:
        class Failing(MemoryStore):
            is_broken = False

            def claim_now(self, target: str, most: int) -> Sequence[Delivery]:
                if self.is_broken:
                    raise ZeroDivisionError
                return super().claim_now(target, most)

        clock = JumpingClock()
        store = Failing(clock)
        target = Held(concurrency=1)
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
            async with House({"a": target}, store=store, clock=clock).running():
                await store.append([record(1, "a")])
                await target.wait_for(1)
                await settle_down()
                store.is_broken = True
                target.answer()
                await anyio.sleep_forever()


async def test_nothing_is_begun_while_too_much_waits_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(MemoryStore):
        def __init__(self, clock: JumpingClock) -> None:
            super().__init__(clock)
            self.gate = anyio.Event()

        async def settle(self, settlements: Sequence[Settlement]) -> None:
            await self.gate.wait()
            await super().settle(settlements)

    monkeypatch.setattr(settler_module, "MOST_WAITING", 3)
    clock = JumpingClock()
    store = Slow(clock)
    target = Held(concurrency=2)
    async with House({"a": target}, store=store, clock=clock).running() as house:
        await store.append([record(number, "a") for number in range(50)])
        for _ in range(20):
            await settle_down()
            target.answer()
        assert len(target.seen) <= 3 + 3 * 2
        store.gate.set()
        while len(house.watcher.settlements) < 50:
            await settle_down()
            target.answer()


async def test_a_place_is_not_lost_when_the_wait_for_a_probe_is_called_off() -> None:
    """It is kept while somebody waits: for the time of the next probe, which a late answer makes needless."""
    target = Held(concurrency=2)
    async with House({"a": target}).running() as house:
        (first, *_) = await house.store.append([record(number, "a") for number in range(2)])
        await target.wait_for(2)
        target.answer("0", outcome=EXPIRED)
        await house.watcher.wait_for(1)
        await settle_down()
        target.answer("1")
        await house.watcher.wait_for(2)
        await house.store.cancel([Place(first, "a")])
        await house.store.append([record(number, "a") for number in range(2, 6)])
        await target.wait_for(4)
        await settle_down()
        assert len(target.begun) == 2
        target.answer()
        await target.wait_for(6)
        target.answer()
        await house.watcher.wait_for(6)
