"""What the SQLite store does beyond the contract: overflow, laggards, waking, commits."""

from __future__ import annotations

import contextlib
import gc
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from router.store.base import Delivery, Route, State, Tally
from router.store.claims import IN_MEMORY
from router.store.log.format import BEGIN
from router.store.log.walking import Group, LogFile
from router.store.settling import LAGGARD
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    PATIENCE,
    FakeClock,
    Open,
    claim,
    claim_one,
    crashed,
    dead,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio


class TestOverflow:
    async def test_order_holds_and_nothing_is_lost(self, store: SqliteStore) -> None:
        appended: list[int] = []
        taken: list[int] = []
        for size in (IN_MEMORY - 1, 3, 700, 1, 2_500, 300):
            appended.extend(await store.append([record("a", "b")] * size))
            batch = await claim(store, "a", size // 2 + 1)
            taken.extend(delivery.sequence for delivery in batch)
            await store.settle([delivered(delivery) for delivery in batch])
        taken.extend(delivery.sequence for delivery in await drain(store, "a"))
        assert taken == appended
        assert [delivery.sequence for delivery in await drain(store, "b")] == appended

    async def test_two_bodies_at_the_edge_of_memory(self, store: SqliteStore) -> None:
        await store.append([record("a")] * (IN_MEMORY - 1))
        await store.append([record(Route("a", "x"), Route("a", "y"))] * 5)
        found = keys(await drain(store, "a"))
        assert len(found) == len(set(found)) == IN_MEMORY + 9

    async def test_memory_is_bounded(self, store: SqliteStore) -> None:
        for _ in range(10):
            await store.append([record("a")] * 1_000)
        gc.collect()
        alive = sum(isinstance(thing, Delivery) for thing in gc.get_objects())
        assert alive <= IN_MEMORY
        assert await store.tally() == {"a": Tally(pending=10_000)}

    async def test_the_watermark_does_not_pass_what_stands_only_on_disk(
        self, store: SqliteStore, opened: Open, folder: Path
    ) -> None:
        sequences = await store.append([record("a")] * (IN_MEMORY + 700))
        await store.settle([delivered(delivery) for delivery in await claim(store, "a", IN_MEMORY)])
        found = await drain(opened(crashed(folder)), "a")
        assert [delivery.sequence for delivery in found] == list(sequences[IN_MEMORY:])

    async def test_many_workers_and_producers(self, store: SqliteStore) -> None:
        total = 3 * IN_MEMORY
        taken: list[int] = []
        complete = anyio.Event()
        await store.append([record("a")] * (IN_MEMORY + 100))

        async def worker() -> None:
            while True:
                batch = await store.claim("a", 37)
                taken.extend(delivery.sequence for delivery in batch)
                await store.settle([delivered(delivery) for delivery in batch])
                if len(taken) == total:
                    complete.set()

        async def producer() -> None:
            for _ in range((total - IN_MEMORY - 100) // 100):
                await store.append([record("a", "unread")] * 100)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(producer)
                for _ in range(8):
                    tasks.start_soon(worker)
                await complete.wait()
                tasks.cancel_scope.cancel()
        assert sorted(taken) == await sequences_of(store)

    async def test_claims_that_are_cancelled_while_they_read_lose_nothing(self, store: SqliteStore) -> None:
        sequences = await store.append([record("a")] * (IN_MEMORY + 3_000))
        taken = keys(await claim(store, "a", IN_MEMORY))

        async def worker() -> None:
            taken.extend(keys(await store.claim("a", 100)))

        for _ in range(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker)
                tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        taken.extend(keys(await drain(store, "a")))
        assert sorted(taken) == [(sequence, "") for sequence in sequences]


class TestLaggards:
    async def test_only_the_slow_one_comes_again(
        self, store: SqliteStore, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        await store.append([record("a")] * 10)
        slow, *rest = await claim(store, "a")
        await store.settle([delivered(delivery) for delivery in rest])
        clock.advance(LAGGARD)
        await store.settle([])
        store = opened(crashed(folder))
        assert await store.tally() == {"a": Tally(retrying=1)}
        await store.due(clock.now())
        assert await drain(store, "a") == [slow]

    async def test_before_that_the_watermark_waits(
        self, store: SqliteStore, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        sequences = await store.append([record("a")] * 10)
        _, *rest = await claim(store, "a")
        clock.advance(LAGGARD / 2)
        await store.settle([delivered(delivery) for delivery in rest])
        found = await drain(opened(crashed(folder)), "a")
        assert [delivery.sequence for delivery in found] == list(sequences)

    async def test_it_is_not_handed_out_while_it_is_under_way(
        self, store: SqliteStore, clock: FakeClock
    ) -> None:
        await store.append([record("a"), record("a")])
        slow, other = await claim(store, "a")
        clock.advance(LAGGARD)
        await store.settle([delivered(other)])
        await store.due(clock.now())
        assert await drain(store, "a") == []
        await store.settle([delivered(slow)])
        assert await store.tally() == {}

    @pytest.mark.parametrize("outcome", [State.DEAD, State.RETRYING])
    async def test_its_outcome_is_written_as_any_other(
        self, store: SqliteStore, opened: Open, folder: Path, clock: FakeClock, outcome: State
    ) -> None:
        await store.append([record("a")])
        slow = await claim_one(store, "a")
        clock.advance(LAGGARD)
        await store.settle([])
        await store.settle([dead(slow) if outcome is State.DEAD else retrying(slow, EPOCH + 60)])
        store = opened(crashed(folder))
        assert await store.due(EPOCH + 50) == (None if outcome is State.DEAD else EPOCH + 60)
        assert await drain(store, "a") == []
        await store.due(EPOCH + 60)
        assert [len(delivery.attempts) for delivery in await drain(store, "a")] == (
            [] if outcome is State.DEAD else [1]
        )

    async def test_a_clock_that_is_set_back_does_not_hold_the_watermark(
        self, store: SqliteStore, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        await store.append([record("a")] * 10)
        slow, *rest = await claim(store, "a")
        clock.advance(-3_600)
        await store.settle([delivered(delivery) for delivery in rest])
        store = opened(crashed(folder))
        await store.due(EPOCH)
        assert await drain(store, "a") == [slow]

    async def test_a_clock_that_is_set_forward_repeats_only_what_was_under_way(
        self, store: SqliteStore, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        await store.append([record("a")] * 10)
        found = await claim(store, "a")
        clock.advance(3_600)
        await store.settle([delivered(delivery) for delivery in found[5:]])
        store = opened(crashed(folder))
        assert await store.tally() == {"a": Tally(retrying=5)}
        await store.due(clock.now())
        assert keys(await drain(store, "a")) == keys(found[:5])


async def test_who_looks_does_not_keep_deliveries_waiting(store: SqliteStore) -> None:
    await store.append([record("a", "b")] * (IN_MEMORY + 500))
    await store.settle([dead(delivery) for delivery in await claim(store, "b", IN_MEMORY)])
    await claim(store, "a", IN_MEMORY)
    ended: list[str] = []

    async def look() -> None:
        await dead_letters(store)
        ended.append("look")

    async def deliver() -> None:
        await claim(store, "a", 500)  # from disk
        ended.append("claim")

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(look)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(deliver)
    assert ended.index("claim") < 15


class TestWaking:
    async def test_due_is_heard_by_a_claim_that_is_just_reading(self, store: SqliteStore) -> None:
        await store.append([record("a")] * 2)
        first, second = await claim(store, "a")
        await store.settle([retrying(first, EPOCH + 1), retrying(second, EPOCH + 2)])
        await store.due(EPOCH + 1)
        await claim_one(store, "a")  # more may be due: the next claim looks on disk
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.due, EPOCH + 2)
                tasks.start_soon(claim_one, store, "a")

    async def test_what_was_claimed_while_a_claim_waited_to_read_is_not_handed_out_twice(
        self, store: SqliteStore, clock: FakeClock
    ) -> None:
        await store.append([record("a", "b")] * 10_000)
        await store.settle([retrying(delivery, EPOCH) for delivery in await claim(store, "b", IN_MEMORY)])
        await store.settle([retrying(await claim_one(store, "a"), EPOCH)])
        await store.due(EPOCH)
        retry = await claim_one(store, "a")  # more may be due
        taken = [retry]

        async def look() -> None:
            taken.extend(await claim(store, "a", 5))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim, store, "b", IN_MEMORY)  # reads for a while
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(look)  # waits for its turn
            await anyio.wait_all_tasks_blocked()
            taken.append(await claim_one(store, "a"))  # another worker, in between
            clock.advance(LAGGARD)
            await store.settle([])  # so it is written down as an exception that is due
        assert len(keys(taken)) == len(set(keys(taken)))

    async def test_busy_threads_elsewhere_do_not_keep_it_waiting(
        self, store: SqliteStore, opened: Open, folder: Path
    ) -> None:
        await store.append([record("a")])
        store = opened(crashed(folder))
        hung = threading.Event()

        async def busy() -> None:
            await anyio.to_thread.run_sync(hung.wait)

        shared = anyio.to_thread.current_default_thread_limiter()
        async with anyio.create_task_group() as tasks:
            for _ in range(int(shared.total_tokens)):
                tasks.start_soon(busy)
            try:
                await anyio.wait_all_tasks_blocked()
                assert shared.available_tokens == 0
                await store.settle([delivered(await claim_one(store, "a"))])
                with anyio.fail_after(PATIENCE):
                    await store.close()
            finally:
                hung.set()


async def test_an_answer_means_on_disk(store: SqliteStore, folder: Path, opened: Open) -> None:
    """The writers sync each commit, and the files alone hold what was acknowledged."""
    sequences = await store.append([record("a")] * 3)
    copy = opened(crashed(folder))
    assert await sequences_of(copy) == list(sequences)


async def test_appends_at_once_share_commits(store: SqliteStore, folder: Path) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(store.append, [record()])
    with contextlib.closing(LogFile(segments_of(folder)[0])) as file:
        assert len([group for group in file.walk(BEGIN, file.size(), -1) if isinstance(group, Group)]) < 100
