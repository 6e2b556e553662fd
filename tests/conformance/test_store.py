"""What every store does, whatever it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import msgspec
import pytest

from router.events.received import Original
from router.store.base import (
    Attempt,
    Delivery,
    Route,
    Settlement,
    State,
    Store,
    Stored,
    Tally,
    delivery_of,
)
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    PATIENCE,
    FakeClock,
    attempt,
    claim,
    claim_one,
    dead,
    delivered,
    drain,
    keys,
    record,
    retrying,
    sequences_of,
)

pytestmark = pytest.mark.anyio

Make = Callable[[FakeClock], Store]
"""Opens another store, empty, closed when the test ends."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    folders = (tmp_path / str(number) for number in range(100))
    async with AsyncExitStack() as stack:

        def opened(clock: FakeClock) -> Store:
            store: Store = (
                MemoryStore(clock) if request.param == "memory" else SqliteStore(next(folders), clock)
            )
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
async def store(make: Make, clock: FakeClock) -> Store:
    return make(clock)


class TestAppending:
    async def test_records_stand_in_the_order_they_were_given(self, store: Store) -> None:
        records = [record("a", name=str(number)) for number in range(5)]
        sequences = await store.append(records)
        found = [stored async for stored in store.scan()]
        assert found == [Stored(at, kept) for at, kept in zip(sequences, records, strict=True)]

    async def test_sequences_grow_by_one_within_a_request(self, store: Store) -> None:
        first, *rest = await store.append([record("a")] * 4)
        assert rest == [first + 1, first + 2, first + 3]

    async def test_sequences_grow_over_requests(self, store: Store) -> None:
        earlier = await store.append([record("a"), record("a")])
        later = await store.append([record("a")])
        assert max(earlier) < min(later)

    async def test_nothing_appended_is_nothing_stored(self, store: Store) -> None:
        assert list(await store.append([])) == []
        assert await sequences_of(store) == []

    async def test_an_event_without_routes_is_kept_and_goes_nowhere(self, store: Store) -> None:
        [sequence] = await store.append([record()])
        assert await sequences_of(store) == [sequence]
        assert await store.tally() == {}

    async def test_a_new_store_begins_at_its_births_milliseconds_times_a_thousand(self, make: Make) -> None:
        [first] = await make(FakeClock(1_700_000_000.123)).append([record("a")])
        assert first == 1_700_000_000_123_000

    async def test_sequences_are_unique_over_the_lives_of_stores(self, make: Make) -> None:
        clock = FakeClock()
        earlier = await make(clock).append([record("a")] * 900)
        clock.advance(0.001)
        later = await make(clock).append([record("a")])
        assert max(earlier) < min(later)

    async def test_many_append_at_once_and_each_gets_sequences_of_its_own(self, store: Store) -> None:
        given: dict[str, int] = {}

        async def append(name: str) -> None:
            sequences = await store.append([record("a", name=f"{name}.{part}") for part in range(3)])
            given.update({f"{name}.{part}": at for part, at in enumerate(sequences)})

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(append, str(number))
        kept = {stored.record.event.id: stored.sequence async for stored in store.scan()}
        assert kept == given
        assert len(kept) == 300

    async def test_a_cancelled_append_is_kept_whole_or_not_at_all(self, store: Store) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.append([record("a", name=str(number)) for number in range(10)])
        await store.append([record("b", name="after")])
        names = [stored.record.event.id async for stored in store.scan()]
        assert names in (["after"], [*map(str, range(10)), "after"])
        assert len(await drain(store, "a")) == len(names) - 1

    async def test_a_big_batch(self, store: Store) -> None:
        sequences = await store.append([record("a", "b", name=str(number)) for number in range(5_000)])
        assert await sequences_of(store) == list(sequences)
        for target in ("a", "b"):
            assert [delivery.sequence for delivery in await drain(store, target)] == list(sequences)


class TestScanning:
    async def test_both_ends_are_included(self, store: Store) -> None:
        first, *_, last = sequences = await store.append([record("a")] * 6)
        assert [stored.sequence async for stored in store.scan(first + 1, last - 1)] == list(sequences[1:-1])
        assert [stored.sequence async for stored in store.scan(last, last)] == [last]

    async def test_an_open_end_means_all(self, store: Store) -> None:
        first, *rest = await store.append([record("a")] * 3)
        assert [stored.sequence async for stored in store.scan(first + 1)] == rest
        assert [stored.sequence async for stored in store.scan(last=first)] == [first]

    async def test_a_range_without_records_is_empty(self, store: Store) -> None:
        assert [stored async for stored in store.scan()] == []
        [only] = await store.append([record("a")])
        assert [stored async for stored in store.scan(only + 1)] == []
        assert [stored async for stored in store.scan(last=only - 1)] == []
        assert [stored async for stored in store.scan(only, only - 1)] == []

    async def test_what_is_appended_meanwhile_does_not_disturb_it(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 1_200)
        found: list[int] = []
        async for stored in store.scan(last=sequences[-1]):
            if len(found) % 400 == 0:
                await store.append([record("a")])
            found.append(stored.sequence)
        assert found == list(sequences)

    async def test_notes_and_the_senders_request_come_back(self, store: Store) -> None:
        original = Original(b"<xml>\x00\xff</xml>", "application/xml")
        shared = [
            msgspec.structs.replace(record("a", name=name), original=original, notes=("trailing-comma",))
            for name in "xyz"
        ]
        records = [
            *shared,
            record("a"),
            msgspec.structs.replace(record(name="bare"), original=Original(b"")),
        ]
        await store.append(records)
        assert [stored.record async for stored in store.scan()] == records

    async def test_an_event_comes_back_byte_for_byte(self, store: Store) -> None:
        kept = msgspec.structs.replace(
            record("a", data=b'{"n": 1.000, "\\u00e9": "\xc3\xa9"}'),
            routes=(Route("a", "f00", ("one", "two")),),
        )
        event = msgspec.structs.replace(
            kept.event,
            subject="s",
            time="2024-01-01T00:00:00.123456789Z",
            datacontenttype="application/json",
            dataschema="https://example.com/schema",
            extensions={"flag": True, "count": -(2**31), "text": "τ"},
        )
        full = msgspec.structs.replace(kept, event=event)
        none = msgspec.structs.replace(kept, event=msgspec.structs.replace(event, data=None))
        sequences = await store.append([full, none])
        found = [stored.record async for stored in store.scan()]
        assert found == [full, none]
        assert await drain(store, "a") == [
            delivery_of(at, entry.routes[0], entry) for at, entry in zip(sequences, [full, none], strict=True)
        ]


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
        assert await store.dead("nobody") == []


class TestSettling:
    async def test_what_is_delivered_is_gone(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([delivered(await claim_one(store, "a"))])
        await store.due(EPOCH + 1e6)
        assert await drain(store, "a") == []
        assert await store.dead() == []

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
        assert ids == {f"{sequence}-a-f00"}

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
    async def test_they_are_kept_with_their_history_oldest_first(
        self, store: Store, clock: FakeClock
    ) -> None:
        later, sooner = await store.append([record("a"), record("b")])
        late = await claim_one(store, "a")
        await store.settle([dead(await claim_one(store, "b"))])
        clock.advance(5)
        await store.settle([retrying(late, clock.now())])
        await store.due(clock.now())
        clock.advance(5)
        await store.settle([dead(await claim_one(store, "a"))])
        first, second = await store.dead()
        assert (first.delivery.sequence, first.since) == (sooner, EPOCH)
        assert (second.delivery.sequence, second.since) == (later, EPOCH + 10)
        assert [len(letter.delivery.attempts) for letter in (first, second)] == [1, 2]

    async def test_one_targets_alone(self, store: Store) -> None:
        await store.append([record("a", "b")])
        await store.settle([dead(await claim_one(store, "a")), dead(await claim_one(store, "b"))])
        assert [letter.delivery.target for letter in await store.dead("b")] == ["b"]
        assert await store.dead("c") == []

    async def test_the_dead_stay_dead(self, store: Store) -> None:
        await store.append([record("a")])
        await store.settle([dead(await claim_one(store, "a"))])
        await store.due(EPOCH + 1e9)
        assert await drain(store, "a") == []
        assert len(await store.dead("a")) == 1

    async def test_dead_without_a_try_has_no_history(self, store: Store) -> None:
        await store.append([record("a")])
        delivery = await claim_one(store, "a")
        await store.settle([Settlement(delivery=delivery, state=State.DEAD)])
        [letter] = await store.dead()
        assert letter.delivery == delivery

    async def test_an_attempt_comes_back_whole(self, store: Store) -> None:
        await store.append([record("a")])
        tried = Attempt(at=EPOCH + 0.125, seconds=1.5, status=503, error="503 Unavailable", answer="τ\x00")
        delivery = await claim_one(store, "a")
        await store.settle([Settlement(delivery=delivery, state=State.DEAD, attempt=tried)])
        [letter] = await store.dead()
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

    async def test_targets_with_nothing_open_are_left_out(self, store: Store) -> None:
        await store.append([record("a", "b")])
        await store.settle([delivered(await claim_one(store, "a"))])
        assert await store.tally() == {"b": Tally(pending=1)}


class TestConfigurations:
    async def test_a_version_is_remembered(self, store: Store) -> None:
        await store.remember("v1", "rules:\n  - name: τ\n")
        await store.remember("v2", "")
        assert await store.recall("v1") == "rules:\n  - name: τ\n"
        assert await store.recall("v2") == ""

    async def test_an_unknown_version_is_none(self, store: Store) -> None:
        assert await store.recall("v1") is None

    async def test_to_remember_twice_is_to_remember(self, store: Store) -> None:
        await store.remember("v1", "text")
        await store.remember("v1", "text")
        assert await store.recall("v1") == "text"


async def test_to_close_twice_is_to_close(store: Store) -> None:
    await store.append([record("a")])
    await store.close()
    await store.close()
