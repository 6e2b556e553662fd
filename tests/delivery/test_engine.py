"""The engine with a real store in memory, a clock set by hand, and targets that do as told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from router.delivery.engine import UnrenderableError
from router.store.base import Delivery, Settlement, State, StoreError, Tally
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Body, Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.house import House, transformed
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio


async def test_what_is_appended_is_delivered() -> None:
    target = ScriptedTarget()
    async with House({"a": target}).running() as house:
        (sequence,) = await house.store.append([record(1, "a")])
        (settlement,) = await house.watcher.wait_for(1)
    (message,) = target.seen
    assert message == Message(
        id=f"{sequence}-a",
        sequence=sequence,
        event=record(1).event,
        body=None,
        rules=("rule",),
        attempt=1,
    )
    assert settlement.state is State.DELIVERED
    assert await house.store.tally() == {}


async def test_a_failure_is_tried_again_when_it_is_due_and_not_before() -> None:
    answers: list[Outcome] = [RetryLater("busy", status=503), Delivered(status=200)]
    target = ScriptedTarget(lambda _: answers.pop(0))
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        (first,) = await house.watcher.wait_for(1)
        start = house.clock.now()
        assert (first.state, first.due) == (State.RETRYING, start + 4.0)  # half of `first`: the chance is 0.5
        house.clock.set(start + 3.9)
        await anyio.wait_all_tasks_blocked()
        assert len(target.seen) == 1
        house.clock.set(start + 4.1)
        *_, last = await house.watcher.wait_for(2)
    assert last.state is State.DELIVERED
    assert [message.attempt for message in target.seen] == [1, 2]
    assert len({message.id for message in target.seen}) == 1


async def test_a_retry_that_is_due_first_is_not_held_up_by_one_that_is_due_later() -> None:
    waits = {"1": 500.0, "2": 10.0}
    target = ScriptedTarget(
        lambda m: RetryLater("busy", after=waits[m.event.id]) if m.attempt == 1 else Delivered()
    )
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        await house.watcher.wait_for(1)
        await anyio.wait_all_tasks_blocked()
        await house.store.append([record(2, "a")])
        await house.watcher.wait_for(2)
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(11.0)
        *_, third = await house.watcher.wait_for(3)
    assert third.delivery.event.id == "2"


async def test_retry_after_is_honoured() -> None:
    target = ScriptedTarget(
        lambda m: RetryLater("slow down", status=429, after=77.0) if m.attempt == 1 else Delivered()
    )
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        (first,) = await house.watcher.wait_for(1)
    assert first.due == house.clock.now() + 77.0


async def test_after_the_last_attempt_it_is_a_dead_letter_with_its_history() -> None:
    target = ScriptedTarget(lambda _: RetryLater("connection refused", answer=b"\xff no"))
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        for attempt in (1, 2, 3):
            await house.watcher.wait_for(attempt)
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(60.0)
    (letter,) = await house.store.standing([State.DEAD])
    assert [attempt.error for attempt in letter.delivery.attempts] == [
        "connection refused",
        "connection refused",
        "connection refused; gave up after 3 attempts",
    ]
    assert [attempt.answer for attempt in letter.delivery.attempts] == ["", "", "\ufffd no"]
    assert await house.store.tally() == {"a": Tally(dead=1)}


async def test_after_a_redrive_the_policy_counts_anew_and_the_history_goes_on() -> None:
    target = ScriptedTarget(lambda _: RetryLater("refused"))
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        for attempt in (1, 2, 3):
            await house.watcher.wait_for(attempt)
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(600.0)
        (letter,) = await house.store.standing([State.DEAD])
        house.clock.advance(86_400.0)
        assert await house.store.redrive([letter.delivery.place], house.engine.now()) == 1
        for attempt in (4, 5, 6):
            await house.watcher.wait_for(attempt)
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(60.0)
    (letter,) = await house.store.standing([State.DEAD])
    assert [attempt.redrive for attempt in letter.delivery.attempts] == [False] * 3 + [True] + [False] * 3
    assert [message.attempt for message in target.seen] == [1, 2, 3, 1, 2, 3]
    assert {message.id for message in target.seen} == {letter.delivery.id}


async def test_a_rejection_is_final() -> None:
    target = ScriptedTarget(lambda _: Rejected("422: no such field", status=422))
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        (settlement,) = await house.watcher.wait_for(1)
    assert settlement.state is State.DEAD
    (letter,) = await house.store.standing([State.DEAD])
    assert letter.delivery.attempts[0].status == 422


async def test_a_target_whose_code_fails_costs_neither_the_delivery_nor_the_worker() -> None:
    def broken_once(message: Message) -> Outcome:
        if message.attempt == 1:
            raise ZeroDivisionError("division by zero")
        return Delivered()

    target = ScriptedTarget(broken_once)
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a")])
        (first,) = await house.watcher.wait_for(1)
        assert first.state is State.RETRYING
        assert first.attempt is not None
        assert first.attempt.error == "the target's code failed: ZeroDivisionError: division by zero"
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(60.0)
        *_, second = await house.watcher.wait_for(2)
    assert second.state is State.DELIVERED


async def test_a_body_that_cannot_be_made_is_a_dead_letter_and_the_rest_of_the_batch_goes_on() -> None:
    async def only_even(delivery: Delivery) -> Body | None:
        if int(delivery.event.id) % 2:
            raise UnrenderableError("no such field")
        return Body(b"even", "text/plain")

    target = ScriptedTarget(batch=10)
    house = House({"a": target})
    house.render = only_even
    await house.store.append([transformed(number, "a") for number in range(4)])
    async with house.running():
        await house.watcher.wait_for(4)
    states = {s.delivery.event.id: s.state for s in house.watcher.settlements}
    assert states == {"0": State.DELIVERED, "1": State.DEAD, "2": State.DELIVERED, "3": State.DEAD}
    assert [message.body for message in target.seen] == [Body(b"even", "text/plain")] * 2


async def test_one_target_never_waits_for_another() -> None:
    class Hanging(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            await super().deliver(messages)
            await anyio.sleep_forever()
            raise AssertionError

    hanging, healthy = Hanging(), ScriptedTarget()
    async with House({"hanging": hanging, "healthy": healthy}).running(grace=0.01) as house:
        await house.store.append([record(number, "hanging", "healthy") for number in range(50)])
        await house.watcher.wait_for(50)
        assert len(hanging.seen) == 1
    assert len(healthy.seen) == 50
    assert await house.store.tally() == {"hanging": Tally(pending=50)}


async def test_stopping_lets_attempts_under_way_end() -> None:
    class Slow(ScriptedTarget):
        go_on = anyio.Event()

        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            await super().deliver(messages)
            await self.go_on.wait()
            return [Delivered()]

    target = Slow()
    house = House({"a": target})
    await house.store.append([record(number, "a") for number in (1, 2)])
    async with house.running():
        await anyio.wait_all_tasks_blocked()
        house.engine.stop()
        await anyio.wait_all_tasks_blocked()
        assert house.watcher.settlements == []
        target.go_on.set()
    assert [s.delivery.event.id for s in house.watcher.settlements] == ["1"]
    assert await house.store.tally() == {"a": Tally(pending=1)}


async def test_concurrency_is_what_the_target_says() -> None:
    class Counting(ScriptedTarget):
        under_way = 0
        most = 0

        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await anyio.lowlevel.checkpoint()
            self.under_way -= 1
            return [Delivered()] * len(messages)

    target = Counting(concurrency=7)
    async with House({"a": target}).running() as house:
        await house.store.append([record(number, "a") for number in range(100)])
        await house.watcher.wait_for(100)
    assert target.most == 7


async def test_batches_are_as_long_as_the_target_takes_and_in_order() -> None:
    sizes: list[int] = []

    class Batching(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            sizes.append(len(messages))
            return await super().deliver(messages)

    target = Batching(batch=40)
    house = House({"a": target})
    await house.store.append([record(number, "a") for number in range(100)])
    async with house.running():
        await house.watcher.wait_for(100)
    assert sizes == [40, 40, 20]
    assert [message.event.id for message in target.seen] == [str(number) for number in range(100)]


async def test_a_store_that_cannot_write_loses_no_outcome() -> None:
    class Full(MemoryStore):
        refusals = 3

        async def settle(self, settlements: Sequence[Settlement]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise StoreError("the store cannot be written: database or disk is full")
            await super().settle(settlements)

    clock = JumpingClock()
    store = Full(clock)
    target = ScriptedTarget()
    house = House({"a": target}, store=store)
    async with house.running():
        await store.append([record(number, "a") for number in range(10)])
        await target.wait_for(10)
        while store.refusals:
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(1.0)
        await house.watcher.wait_for(10)
    assert len(target.seen) == 10  # nothing was sent twice for it
    assert await store.tally() == {}


async def test_the_store_learns_of_an_attempt_that_takes_long_while_none_ends(tmp_path: Path) -> None:
    class Hanging(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            await super().deliver(messages)
            await anyio.sleep_forever()
            raise AssertionError

    clock = JumpingClock()
    store = SqliteStore(tmp_path, clock)
    target = Hanging()
    async with House({"a": target}, store=store, clock=clock).running(grace=0.01):
        await store.append([record(1, "a")])
        await target.wait_for(1)
        assert await store.tally() == {"a": Tally(pending=1)}
        while (await store.tally()) != {"a": Tally(retrying=1)}:
            clock.advance(1.0)
            await anyio.wait_all_tasks_blocked()
    await store.close()


async def test_a_body_that_cannot_be_had_now_is_made_later_and_costs_no_attempt() -> None:
    failures = [StoreError("the store cannot read: disk I/O error"), ZeroDivisionError("a fault of ours")]

    async def broken_twice(_: Delivery) -> Body | None:
        if failures:
            raise failures.pop()
        return None

    target = ScriptedTarget()
    house = House({"a": target})
    house.render = broken_twice
    await house.store.append([transformed(1, "a")])
    async with house.running():
        for attempt in (1, 2):
            await house.watcher.wait_for(attempt)
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(2.0)
        *_, last = await house.watcher.wait_for(3)
    assert (last.state, last.tried().attempts) == (State.DELIVERED, (last.attempt,))
    assert [message.attempt for message in target.seen] == [1]


@pytest.mark.parametrize("answer", [[], None, [True], [Delivered(), Delivered()]])
async def test_a_target_that_does_not_keep_the_contract_costs_nothing_either(answer: Any) -> None:
    class Odd(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            await super().deliver(messages)
            return answer if len(self.seen) == 1 else [Delivered()]

    async with House({"a": Odd()}).running() as house:
        await house.store.append([record(1, "a")])
        (first,) = await house.watcher.wait_for(1)
        assert first.attempt is not None
        assert (first.attempt.error or "").startswith("the target's code failed: TypeError: ")
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(60.0)
        *_, second = await house.watcher.wait_for(2)
    assert second.state is State.DELIVERED


async def test_a_store_that_never_writes_again_does_not_keep_the_router_from_ending() -> None:
    class Dead(MemoryStore):
        async def settle(self, settlements: Sequence[Settlement]) -> None:
            if settlements:
                raise StoreError("the store cannot be written: database or disk is full")

    clock = JumpingClock()
    target = ScriptedTarget()
    house = House({"a": target}, store=Dead(clock), clock=clock)
    async with house.running():  # which fails if it does not end
        await house.store.append([record(1, "a")])
        await target.wait_for(1)
        await anyio.wait_all_tasks_blocked()
        (complaint,) = house.engine.complaints()
        assert complaint.endswith(": the store cannot be written: database or disk is full")
    assert house.watcher.settlements == []


@pytest.mark.parametrize(
    "odd",
    [
        Delivered(answer="ok"),  # type: ignore[arg-type]
        Delivered(status="200"),  # type: ignore[arg-type]
        Rejected(None),  # type: ignore[arg-type]
        RetryLater("busy", after="soon"),  # type: ignore[arg-type]
    ],
)
async def test_an_outcome_with_odd_contents_is_a_failure_of_the_targets_code(odd: Outcome) -> None:
    target = ScriptedTarget(lambda one: odd if one.event.id == "1" and one.attempt == 1 else Delivered())
    async with House({"a": target}).running() as house:
        await house.store.append([record(1, "a"), record(2, "a")])
        settlements = await house.watcher.wait_for(2)
    first = next(one for one in settlements if one.delivery.event.id == "1")
    assert first.state is State.RETRYING
    assert first.attempt is not None
    assert "the target's code failed" in (first.attempt.error or "")
    assert {one.state for one in settlements if one.delivery.event.id == "2"} == {State.DELIVERED}


async def test_a_reason_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    def broken(_: Message) -> Outcome:
        raise OSError("cannot write caf\udce9.txt")

    store = SqliteStore(tmp_path, JumpingClock())
    async with House({"a": ScriptedTarget(broken)}, store=store).running() as house:
        await store.append([record(1, "a")])
        (settlement,) = await house.watcher.wait_for(1)
    await store.close()
    assert settlement.attempt is not None
    assert (settlement.attempt.error or "").endswith("cannot write caf\\udce9.txt")
