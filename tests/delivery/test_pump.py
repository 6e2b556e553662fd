"""Deliveries that nobody waits for: what is begun, what is left to workers, what the answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from router.delivery.breaker import Mode
from router.delivery.pump import AT_ONCE
from router.store.base import Delivery, State
from router.store.memory import MemoryStore
from router.targets.base import Body, Cause, Delivered, Message, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import condition, settle_down
from tests.delivery.house import House, transformed
from tests.delivery.prompting import EXPIRED, ONE_KEY, Held
from tests.support import record

pytestmark = pytest.mark.anyio

THROTTLED = RetryLater("slow down", 429, after=300.0, cause=Cause.THROTTLED)


class TestBeginning:
    async def test_as_many_are_begun_as_may_be_and_the_next_when_one_is_answered(self) -> None:
        target = Held(concurrency=2)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(4)])
            await target.wait_for(2)
            await settle_down()
            assert list(target.begun) == ["0", "1"]
            target.answer("1")
            await target.wait_for(3)
            await settle_down()
            assert list(target.begun) == ["0", "2"]
            target.answer()
            await target.wait_for(4)
            target.answer()
            settlements = await house.watcher.wait_for(4)
        assert (target.asked, target.most) == ([], 2)
        assert {one.state for one in settlements} == {State.DELIVERED}

    async def test_answers_may_come_in_another_order(self) -> None:
        target = Held(concurrency=3)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(3)])
            await target.wait_for(3)
            target.answer("2", outcome=Delivered(202))
            target.answer("0", outcome=Rejected("bad", 400))
            target.answer("1", outcome=Delivered(200))
            settlements = await house.watcher.wait_for(3)
        found = {
            one.delivery.event.id: (one.state, one.attempt and one.attempt.status) for one in settlements
        }
        assert found == {"0": (State.DEAD, 400), "1": (State.DELIVERED, 200), "2": (State.DELIVERED, 202)}

    async def test_an_answer_may_come_before_it_is_begun(self) -> None:
        class Quick(Held):
            def begin(self, message: Message, done: Callable[[object], None]) -> bool:
                super().begin(message, done)
                self.answer(message.event.id)
                return True

        target = Quick(concurrency=2)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(10)])
            await house.watcher.wait_for(10)
        assert len(target.seen) == 10
        assert target.asked == []

    async def test_no_turn_of_the_loop_begins_many(self) -> None:
        class Counting(Held):
            now = most_of_a_turn = 0

            def begin(self, message: Message, done: Callable[[object], None]) -> bool:
                if not self.now:
                    asyncio.get_running_loop().call_soon(self.turn)
                self.now += 1
                return super().begin(message, done)

            def turn(self) -> None:
                self.most_of_a_turn = max(self.now, self.most_of_a_turn)
                self.now = 0

        target = Counting(concurrency=3 * AT_ONCE)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(100 + 3 * AT_ONCE)])
            await target.wait_for(3 * AT_ONCE)
            assert target.most_of_a_turn == AT_ONCE
            target.answer()
            while len(house.watcher.settlements) < 100 + 3 * AT_ONCE:
                await settle_down()
                target.answer()
        assert target.most_of_a_turn == AT_ONCE

    @pytest.mark.parametrize("told", [{"rate": 1_000.0}, {"order": ONE_KEY}])
    async def test_who_goes_in_order_or_at_a_rate_begins_nothing(self, told: dict[str, object]) -> None:
        target = Held()
        async with House({"a": target}, **told).running() as house:  # type: ignore[arg-type]
            await house.store.append([record(number, "a") for number in range(3)])
            await house.watcher.wait_for(3)
        assert target.asked == ["0", "1", "2"]

    async def test_neither_does_who_says_that_it_is_not_set_up_so(self) -> None:
        target = Held()
        target.is_prompt = False
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
        assert target.asked == ["1"]


class TestTheRest:
    async def test_what_the_target_does_not_begin_it_is_asked_for(self) -> None:
        target = Held(concurrency=3)
        target.begins = lambda message: message.event.id in {"1", "3"}
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(5)])
            await house.watcher.wait_for(3)
            assert (sorted(target.begun), sorted(target.asked)) == (["1", "3"], ["0", "2", "4"])
            target.answer()
            await house.watcher.wait_for(5)

    async def test_both_ways_together_take_no_more_than_the_concurrency(self) -> None:
        target = Held(concurrency=4)
        target.gate = anyio.Event()
        target.begins = lambda message: int(message.event.id) % 3 != 0
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(60)])
            while len(house.watcher.settlements) < 60:
                await settle_down()
                assert len(target.begun) + len(target.asked) >= 1
                target.gate.set()
                target.gate = anyio.Event()
                if target.begun:
                    target.answer(next(iter(target.begun)))
        assert target.most == 4
        assert len(target.seen) == 60

    async def test_a_place_that_a_worker_leaves_is_taken_at_once(self) -> None:
        """Though whoever looks after the pump waits, and no answer comes."""
        target = Held(concurrency=2)
        target.gate = anyio.Event()
        target.begins = lambda message: message.event.id != "1"
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in (0, 1, 2)])
            await target.wait_for(2)
            await settle_down()
            assert (list(target.begun), target.asked) == (["0"], ["1"])
            target.gate.set()
            await target.wait_for(3)
            assert list(target.begun) == ["0", "2"]
            target.answer()
            await house.watcher.wait_for(3)

    async def test_a_body_that_is_to_be_made_goes_the_other_way(self) -> None:
        async def render(_: Delivery) -> Body | None:
            return Body(b"made", "text/plain")

        target = Held()
        house = House({"a": target})
        house.render = render
        async with house.running():
            await house.store.append([transformed(1, "a"), record(2, "a")])
            await house.watcher.wait_for(1)
            target.answer("2")
            await house.watcher.wait_for(2)
        assert target.asked == ["1"]
        assert [message.body for message in target.seen if message.event.id == "1"] == [
            Body(b"made", "text/plain")
        ]

    async def test_a_retry_goes_the_other_way_and_begins_when_the_first_try_did(self) -> None:
        target = Held()
        async with House({"a": target}).running() as house:
            began = house.clock.now()
            await house.store.append([record(1, "a")])
            await target.wait_for(1)
            house.clock.advance(2.0)
            target.answer(outcome=RetryLater("busy", 503, b"no", after=5.0))
            (failed,) = await house.watcher.wait_for(1)
            assert failed.due == house.clock.now() + 5.0
            assert failed.attempt is not None
            assert (failed.attempt.at, failed.attempt.seconds) == (began, 2.0)
            house.clock.advance(5.0)
            await house.watcher.wait_for(2)
        assert target.asked == ["1"]
        assert [message.attempt for message in target.seen] == [1, 2]

    async def test_what_nothing_came_of_is_asked_for_at_once_and_costs_no_attempt(self) -> None:
        target = Held()
        target.outcome = lambda answer: None  # type: ignore[method-assign]
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a"), record(2, "a")])
            await target.wait_for(2)
            target.answer()
            settlements = await house.watcher.wait_for(2)
        assert sorted(target.asked) == ["1", "2"]
        assert [(one.state, len(one.tried().attempts)) for one in settlements] == [(State.DELIVERED, 1)] * 2


class TestBreaker:
    async def test_one_that_opens_in_the_middle_of_a_group_stays_open_though_others_got_through(self) -> None:
        target = Held(concurrency=3)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(9)])
            await target.wait_for(3)
            target.answer("0")
            target.answer("1", outcome=THROTTLED)
            await house.watcher.wait_for(2)
            await settle_down()
            assert condition(house).until == house.clock.now() + 300.0
            assert list(target.begun) == ["2"]
            target.answer()

    async def test_one_that_a_group_opens_and_closes_lets_the_next_be_begun(self) -> None:
        target = Held(concurrency=3)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(6)])
            await target.wait_for(3)
            target.answer("0", outcome=EXPIRED)
            target.answer("1", "2")
            await house.watcher.wait_for(3)
            await target.wait_for(6)
            assert condition(house).mode is Mode.CLOSED
            target.answer()
            await house.watcher.wait_for(6)

    async def test_a_probe_is_one_that_is_asked_for_and_after_it_others_are_begun(self) -> None:
        target = Held(concurrency=3)
        target.gate = anyio.Event()
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(9)])
            await target.wait_for(3)
            target.answer("0", outcome=EXPIRED)
            await house.watcher.wait_for(1)
            house.clock.advance(8.0)
            await settle_down()
            assert (len(target.begun), len(target.asked)) == (2, 1)
            assert condition(house).mode is Mode.HALF_OPEN
            target.gate.set()
            await house.watcher.wait_for(2)
            await settle_down()
            assert condition(house).mode is Mode.CLOSED
            assert len(target.begun) == 3
            while len(house.watcher.settlements) < 10:
                target.answer()
                await settle_down()

    async def test_while_all_places_are_taken_nothing_is_probed(self) -> None:
        target = Held(concurrency=1)
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a"), record(2, "a")])
            await target.wait_for(1)
            house.engine.conditions()
            target.answer(outcome=EXPIRED)
            await house.watcher.wait_for(1)
            house.clock.advance(8.0)
            await house.watcher.wait_for(2)
            await house.watcher.wait_for_delivered(1)
            await target.wait_for(3)
        assert target.most == 1


class TestLeft:
    """What nothing has come of is made at once, whatever a worker waits for."""

    async def test_while_the_target_is_left_alone(self) -> None:
        target = Held(concurrency=2)
        target.outcome = lambda answer: None if answer == "gone" else answer  # type: ignore[method-assign,comparison-overlap]
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(2)])
            await target.wait_for(2)
            target.answer("0", outcome=THROTTLED)
            await house.watcher.wait_for(1)
            await settle_down()
            target.answer("1", outcome="gone")
            await house.watcher.wait_for(2)
        assert target.asked == ["1"]

    async def test_while_the_store_is_asked(self) -> None:
        class Patient(MemoryStore):
            """Its reads take long."""

            reads = False

            def claim_now(self, target: str, most: int) -> Sequence[Delivery]:
                none: Any = None
                return none if self.reads else super().claim_now(target, most)

        clock = JumpingClock()
        store = Patient(clock)
        target = Held(concurrency=3)
        target.outcome = lambda answer: None  # type: ignore[method-assign]
        async with House({"a": target}, store=store, clock=clock).running() as house:
            await store.append([record(1, "a")])
            await target.wait_for(1)
            store.reads = True
            store.rouse("a")
            await settle_down()
            target.answer("1")
            await house.watcher.wait_for(1)
            assert target.asked == ["1"]
            store.reads = False
            await store.append([record(2, "a"), record(3, "a")])
            await target.wait_for(4)
            target.answer()
            await house.watcher.wait_for(3)
