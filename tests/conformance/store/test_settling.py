"""What every store makes of outcomes: retries, dead letters, and how it counts."""

from __future__ import annotations

import anyio
import pytest

from router.store.base import Attempt, Delivery, Route, Settlement, State, Store, Tally
from tests.store.support import (
    EPOCH,
    PATIENCE,
    FakeClock,
    attempt,
    claim,
    claim_one,
    dead,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
)

pytestmark = pytest.mark.anyio


class TestSettling:
    async def test_what_is_delivered_is_gone(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([delivered(await claim_one(store, "a"))])
        await store.due(EPOCH + 1e6)
        assert await drain(store, "a") == []
        assert await dead_letters(store) == []

    async def test_nothing_settled_is_nothing_changed(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([])
        assert await store.tally() == {"a": Tally(pending=1)}

    async def test_order_of_settling_does_not_matter(self, store: Store) -> None:
        await store.append([record("a")] * 5)
        for delivery in reversed(await claim(store, "a")):
            await store.settle([delivered(delivery)])
        assert await drain(store, "a") == []
        assert await store.tally() == {}

    async def test_a_retry_comes_when_it_is_due_and_not_before(self, store: Store) -> None:
        [sequence] = await store.append([record("a")])
        await store.settle([retrying(await claim_one(store, "a"), EPOCH + 10)])
        assert await store.due(EPOCH + 9.5) == EPOCH + 10
        assert await drain(store, "a") == []
        assert await store.due(EPOCH + 10) is None
        assert keys(await drain(store, "a")) == [(sequence, "")]

    async def test_due_wakes_a_waiting_claim(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([retrying(await claim_one(store, "a"), EPOCH + 10)])
        taken: list[Delivery] = []

        async def worker() -> None:
            taken.extend(await store.claim("a", 1))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                await store.due(EPOCH + 10)
        assert len(taken) == 1

    async def test_due_tells_the_next_time_over_all_targets(self, store: Store) -> None:
        await store.append([record("a", "b"), record("a")])
        one, other = await claim(store, "a")
        await store.settle(
            [
                retrying(one, EPOCH + 30),
                retrying(other, EPOCH + 10),
                retrying(await claim_one(store, "b"), EPOCH + 20),
            ]
        )
        assert [await store.due(EPOCH + at) for at in (0, 10, 20, 30)] == [
            EPOCH + 10,
            EPOCH + 20,
            EPOCH + 30,
            None,
        ]

    async def test_retries_come_before_first_tries_longest_overdue_first(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 3)
        for delivery, due in zip(await claim(store, "a"), (30, 10, 20), strict=True):
            await store.settle([retrying(delivery, EPOCH + due)])
        [fresh] = await store.append([record("a")])
        await store.due(EPOCH + 30)
        one, two, three = sequences
        assert [(await claim_one(store, "a")).sequence for _ in range(4)] == [two, three, one, fresh]

    async def test_a_retry_under_way_is_not_handed_out_again(self, store: Store) -> None:
        await store.append([record("a")] * 3)
        for delivery in await claim(store, "a"):
            await store.settle([retrying(delivery, EPOCH + 1)])
        await store.due(EPOCH + 1)
        under_way = await claim(store, "a", 2)
        await store.due(EPOCH + 2)
        rest = await drain(store, "a")
        assert len(under_way) == 2
        assert len({*keys(under_way), *keys(rest)}) == len(under_way) + len(rest) == 3

    async def test_without_a_due_time_it_is_due_at_once(self, store: Store, clock: FakeClock) -> None:
        await store.append([record("a")])
        given_back = Settlement(delivery=await claim_one(store, "a"), state=State.RETRYING)
        await store.settle([given_back])
        await store.due(clock.now())
        again = await claim_one(store, "a")
        assert again == given_back.delivery

    async def test_the_history_grows_and_only_the_last_answer_is_kept(self, store: Store) -> None:
        await store.append([record("a")])
        for number in range(4):
            delivery = await claim_one(store, "a")
            tried = attempt(EPOCH + number, error=f"no {number}", answer=f"answer {number}")
            await store.settle(
                [Settlement(delivery=delivery, state=State.RETRYING, attempt=tried, due=EPOCH + number)]
            )
            await store.due(EPOCH + number)
        history = (await claim_one(store, "a")).attempts
        assert [tried.at - EPOCH for tried in history] == [0, 1, 2, 3]
        assert [tried.error for tried in history] == ["no 0", "no 1", "no 2", "no 3"]
        assert [tried.answer for tried in history] == ["", "", "", "answer 3"]

    async def test_the_id_is_constant_over_attempts(self, store: Store) -> None:
        [sequence] = await store.append([record(Route("a", "f00"))])
        ids = set()
        for number in range(3):
            delivery = await claim_one(store, "a")
            ids.add(delivery.id)
            await store.settle([retrying(delivery, EPOCH + number)])
            await store.due(EPOCH + number)
        assert ids == {f"{sequence}-a--f00"}

    async def test_many_settle_at_once(self, store: Store) -> None:
        await store.append([record("a", "b")] * 200)
        everything = [*await claim(store, "a"), *await claim(store, "b")]

        async def settle(delivery: Delivery) -> None:
            await store.settle([delivered(delivery)])

        async with anyio.create_task_group() as tasks:
            for delivery in everything:
                tasks.start_soon(settle, delivery)
        assert await store.tally() == {}


class TestDeadLetters:
    async def test_they_are_kept_with_their_history_the_oldest_event_first(
        self, store: Store, clock: FakeClock
    ) -> None:
        one, two = await store.append([record("a"), record("b")])
        late = await claim_one(store, "a")
        await store.settle([dead(await claim_one(store, "b"))])
        clock.advance(5)
        await store.settle([retrying(late, clock.now())])
        await store.due(clock.now())
        clock.advance(5)
        await store.settle([dead(await claim_one(store, "a"))])
        first, second = await dead_letters(store)
        assert (first.delivery.sequence, first.at) == (one, EPOCH + 10)
        assert (second.delivery.sequence, second.at) == (two, EPOCH)
        assert [len(letter.delivery.attempts) for letter in (first, second)] == [2, 1]

    async def test_one_targets_alone(self, store: Store) -> None:
        await store.append([record("a", "b")])
        await store.settle([dead(await claim_one(store, "a")), dead(await claim_one(store, "b"))])
        assert [letter.delivery.target for letter in await dead_letters(store, "b")] == ["b"]
        assert await dead_letters(store, "c") == []

    async def test_the_dead_stay_dead(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([dead(await claim_one(store, "a"))])
        await store.due(EPOCH + 1e9)
        assert await drain(store, "a") == []
        assert len(await dead_letters(store, "a")) == 1

    async def test_dead_without_a_try_has_no_history(self, store: Store) -> None:
        await store.append([record("a")])
        delivery = await claim_one(store, "a")
        await store.settle([Settlement(delivery=delivery, state=State.DEAD)])
        [letter] = await dead_letters(store)
        assert letter.delivery == delivery

    async def test_an_attempt_comes_back_whole(self, store: Store) -> None:
        await store.append([record("a")])
        tried = Attempt(at=EPOCH + 0.125, seconds=1.5, status=503, error="503 Unavailable", answer="τ\x00")
        delivery = await claim_one(store, "a")
        await store.settle([Settlement(delivery=delivery, state=State.DEAD, attempt=tried)])
        [letter] = await dead_letters(store)
        assert letter.delivery.attempts == (tried,)


class TestTally:
    async def test_at_every_stage(self, store: Store) -> None:
        async def tally() -> Tally:
            return (await store.tally()).get("a", Tally())

        await store.append([record("a")] * 3)
        assert await tally() == Tally(pending=3)
        one, two, three = await claim(store, "a")
        assert await tally() == Tally(pending=3)
        await store.settle([delivered(one), retrying(two, EPOCH + 1)])
        assert await tally() == Tally(pending=1, retrying=1)
        await store.settle([dead(three)])
        assert await tally() == Tally(retrying=1, dead=1)
        await store.due(EPOCH + 1)
        two = await claim_one(store, "a")
        assert await tally() == Tally(retrying=1, dead=1)
        await store.settle([delivered(two)])
        assert await tally() == Tally(dead=1)

    async def test_when_the_first_retry_of_each_target_is_due(self, store: Store) -> None:
        await store.append([record("a", "b")] * 3)
        one, two, three = await claim(store, "a")
        (other, *_) = await claim(store, "b")
        assert await store.upcoming() == {}
        await store.settle(
            [retrying(one, EPOCH + 7), retrying(two, EPOCH + 5), dead(three), retrying(other, EPOCH + 9)]
        )
        assert await store.upcoming() == {"a": EPOCH + 5, "b": EPOCH + 9}
        await store.due(EPOCH + 5)
        two = await claim_one(store, "a")
        assert await store.upcoming() == {"a": EPOCH + 5, "b": EPOCH + 9}
        await store.settle([delivered(two)])
        assert await store.upcoming() == {"a": EPOCH + 7, "b": EPOCH + 9}

    async def test_targets_with_nothing_open_are_left_out(self, store: Store) -> None:
        await store.append([record("a", "b")])
        await store.settle([delivered(await claim_one(store, "a"))])
        assert await store.tally() == {"b": Tally(pending=1)}
