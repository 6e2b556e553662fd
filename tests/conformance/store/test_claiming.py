"""What every store hands out, to whom, and when."""

from __future__ import annotations

import anyio
import pytest

from router.store.base import Delivery, Route, Store, Tally
from tests.store.support import (
    EPOCH,
    PATIENCE,
    FakeClock,
    claim,
    claim_one,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
    sequences_of,
)

pytestmark = pytest.mark.anyio


class TestClaiming:
    async def test_a_claim_tells_all_that_a_delivery_needs(self, store: Store) -> None:
        kept = record(Route("a", "abc123", ("block", "everything")), name="x")
        [sequence] = await store.append([kept])
        assert await claim_one(store, "a") == Delivery(
            sequence=sequence,
            target="a",
            variant="abc123",
            rules=("block", "everything"),
            version="v1",
            received=EPOCH,
            event=kept.event,
        )

    async def test_lowest_sequence_first_and_no_more_than_asked_for(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 10)
        taken = [[delivery.sequence for delivery in await claim(store, "a", most)] for most in (3, 1, 100)]
        assert taken == [list(sequences[:3]), [sequences[3]], list(sequences[4:])]

    async def test_targets_are_strangers(self, store: Store) -> None:
        both, only = await store.append([record("a", "b"), record("b")])
        assert keys(await claim(store, "a")) == [(both, "")]
        assert keys(await claim(store, "b")) == [(both, ""), (only, "")]

    async def test_it_waits_and_is_woken(self, store: Store) -> None:
        taken: list[Delivery] = []

        async def worker() -> None:
            taken.extend(await store.claim("a", 10))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                await store.append([record("b")])
                await anyio.wait_all_tasks_blocked()
                assert taken == []
                [sequence] = await store.append([record("a")])
        assert keys(taken) == [(sequence, "")]

    async def test_one_append_wakes_as_many_as_it_feeds(self, store: Store) -> None:
        taken: list[int] = []

        async def worker() -> None:
            [delivery] = await store.claim("a", 1)
            taken.append(delivery.sequence)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                sequences = await store.append([record("a")] * 20)
        assert sorted(taken) == list(sequences)

    async def test_nothing_is_handed_out_twice_to_many_workers(self, store: Store) -> None:
        taken: list[int] = []
        total = 3_000
        complete = anyio.Event()

        async def worker(most: int) -> None:
            while True:
                batch = await store.claim("a", most)
                taken.extend(delivery.sequence for delivery in batch)
                await store.settle([delivered(delivery) for delivery in batch])
                if len(taken) >= total:
                    complete.set()

        async def producer(share: int) -> None:
            for _ in range(share // 50):
                await store.append([record("a")] * 50)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for number in range(16):
                    tasks.start_soon(worker, number + 1)
                for _ in range(3):
                    tasks.start_soon(producer, total // 3)
                await complete.wait()
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        assert sorted(taken) == await sequences_of(store)

    async def test_a_cancelled_claim_loses_nothing(self, store: Store) -> None:
        for _ in range(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.claim, "a", 10)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        [sequence] = await store.append([record("a")])
        assert keys(await drain(store, "a")) == [(sequence, "")]

    async def test_a_claim_that_is_cancelled_as_it_is_woken_loses_nothing(self, store: Store) -> None:
        taken: list[Delivery] = []

        async def worker(scope: anyio.CancelScope) -> None:
            with scope:
                taken.extend(await store.claim("a", 1))

        appended: list[int] = []
        for turn in range(30):
            scope = anyio.CancelScope()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker, scope)
                await anyio.wait_all_tasks_blocked()
                if turn % 2:
                    scope.cancel()
                appended.extend(await store.append([record("a")]))
                scope.cancel()
        everything = keys(taken) + keys(await drain(store, "a"))
        assert sorted(everything) == [(sequence, "") for sequence in appended]

    async def test_two_bodies_for_one_target_are_two_deliveries(self, store: Store) -> None:
        [sequence] = await store.append([record(Route("a", "x", ("one",)), Route("a", "y", ("two",)))])
        one, two = await claim(store, "a")
        assert (one.variant, one.rules, two.variant, two.rules) == ("x", ("one",), "y", ("two",))
        assert one.id != two.id
        await store.settle([delivered(one), retrying(two, EPOCH + 1)])
        assert await store.tally() == {"a": Tally(retrying=1)}
        await store.due(EPOCH + 1)
        assert keys(await drain(store, "a")) == [(sequence, "y")]

    async def test_an_unknown_target_waits_and_is_not_counted(self, store: Store) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.claim, "nobody", 1)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        assert await store.tally() == {}
        assert await dead_letters(store, "nobody") == []


class TestLeaving:
    @pytest.mark.parametrize("retry", [False, True])
    async def test_who_leaves_as_he_is_woken_leaves_it_to_the_next(
        self, store: Store, clock: FakeClock, *, retry: bool
    ) -> None:
        taken: list[str] = []

        async def worker(name: str, scope: anyio.CancelScope) -> None:
            with scope:
                await store.claim("a", 10)
                taken.append(name)

        if retry:
            await store.append([record("a")])
            (first,) = await store.claim("a", 1)
            await store.settle([retrying(first, due=clock.now() + 5)])
        leaving = anyio.CancelScope()
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker, "staying", anyio.CancelScope())
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(worker, "leaving", leaving)  # who came last is woken first
                await anyio.wait_all_tasks_blocked()
                if retry:
                    clock.advance(6)
                    await store.due(clock.now())
                else:
                    await store.append([record("a")])
                leaving.cancel()
                await anyio.wait_all_tasks_blocked()
                if taken == ["leaving"]:  # it was faster than its end: then nothing is left for the other
                    tasks.cancel_scope.cancel()
        assert len(taken) == 1


class TestClaimingNow:
    async def test_first_tries_in_their_order_and_no_more_than_asked_for(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 5)
        taken = [store.claim_now("a", most) for most in (3, 100, 1)]
        assert [[one.sequence for one in found or ()] for found in taken] == [
            list(sequences[:3]),
            list(sequences[3:]),
            [],
        ]

    async def test_what_is_claimed_so_is_under_way(self, store: Store) -> None:
        [sequence] = await store.append([record("a")])
        (one,) = store.claim_now("a", 1) or ()
        assert await drain(store, "a") == []
        assert await store.tally() == {"a": Tally(pending=1)}
        await store.settle([retrying(one, EPOCH)])
        await store.due(EPOCH)
        assert keys(await drain(store, "a")) == [(sequence, "")]

    async def test_a_retry_that_is_due_goes_before_first_tries(self, store: Store) -> None:
        await store.append([record("a")])
        (first,) = await claim(store, "a")
        await store.settle([retrying(first, EPOCH)])
        await store.append([record("a")])
        await store.due(EPOCH)
        found = store.claim_now("a", 1)
        if found is None:  # it stands on disk
            found = await claim(store, "a", 1)
        assert keys(found) == keys([first])

    async def test_whoever_waits_at_once_is_woken(self, store: Store) -> None:
        taken: list[Delivery] = []

        async def worker() -> None:
            while not (found := store.claim_now("a", 1)):
                await store.news("a", 1)
            taken.extend(found)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                sequences = list(await store.append([record("a")] * 12))
                sequences += [(await store.append([record("a")]))[0] for _ in range(8)]
        assert sorted(keys(taken)) == [(sequence, "") for sequence in sequences]

    async def test_a_retry_is_news(self, store: Store) -> None:
        await store.append([record("a")])
        (first,) = await claim(store, "a")
        await store.settle([retrying(first, EPOCH + 1)])
        assert not store.claim_now("a", 1)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.due, EPOCH + 1)
                await store.news("a", 1)
        assert store.claim_now("a", 1) != ()

    async def test_all_who_wait_can_be_roused_and_no_others(self, store: Store) -> None:
        woken: list[str] = []

        async def wait(target: str) -> None:
            await store.news(target, 10)
            woken.append(target)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for target in ("a", "a", "b", "a"):
                    tasks.start_soon(wait, target)
                await anyio.wait_all_tasks_blocked()
                store.rouse("a")
                await anyio.wait_all_tasks_blocked()
                assert woken == ["a", "a", "a"]
                tasks.cancel_scope.cancel()

    async def test_one_who_was_cancelled_uses_up_no_news(self, store: Store) -> None:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(claim, store, "a")
                await anyio.wait_all_tasks_blocked()
                async with anyio.create_task_group() as leaving:
                    leaving.start_soon(store.claim, "a", 1)
                    await anyio.wait_all_tasks_blocked()
                    leaving.cancel_scope.cancel()
                await store.append([record("a")])
        assert await drain(store, "a") == []
