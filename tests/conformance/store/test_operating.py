"""What every store makes of an operator's words: again, elsewhere, never."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from router.store.base import Attempt, Delivery, Place, Route, Settlement, State, Store, Tally
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
)

pytestmark = pytest.mark.anyio


async def states(store: Store, sequence: int) -> dict[tuple[str, str], State]:
    return {
        (found.delivery.target, found.delivery.variant): found.state
        for found in await store.of_event(sequence)
    }


async def die(store: Store, target: str = "a") -> Delivery:
    """A dead letter."""
    [sequence] = await store.append([record(target)])
    await store.settle([dead(await claim_one(store, target))])
    [letter] = [one for one in await store.of_event(sequence) if one.state is State.DEAD]
    return letter.delivery


class TestRedrive:
    async def test_a_dead_letter_comes_again_at_once_and_its_history_tells_why(
        self, store: Store, clock: FakeClock
    ) -> None:
        letter = await die(store)
        clock.advance(60)
        assert await store.redrive([letter.place], clock.now()) == 1
        assert await store.tally() == {"a": Tally(retrying=1)}
        again = await claim_one(store, "a")
        assert again.attempts == (*letter.attempts, Attempt(at=EPOCH + 60, seconds=0, redrive=True))
        assert again.id == letter.id
        assert again.tries == ()

    async def test_it_wakes_a_claim_that_waits(self, store: Store, clock: FakeClock) -> None:
        letter = await die(store)
        taken: list[Delivery] = []

        async def worker() -> None:
            taken.extend(await store.claim("a", 10))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker)
                await anyio.wait_all_tasks_blocked()
                await store.redrive([letter.place], clock.now())
        assert keys(taken) == keys([letter])

    async def test_it_is_an_ordinary_delivery_again(self, store: Store, clock: FakeClock) -> None:
        letter = await die(store)
        await store.redrive([letter.place], clock.now())
        await store.settle([retrying(await claim_one(store, "a"), EPOCH + 5)])
        await store.due(EPOCH + 5)
        again = await claim_one(store, "a")
        assert len(again.tries) == 1
        assert len(again.attempts) == 3
        await store.settle([delivered(again)])
        assert await store.tally() == {}
        assert await states(store, letter.sequence) == {("a", ""): State.DELIVERED}

    async def test_only_what_is_dead(self, store: Store, clock: FakeClock) -> None:
        await store.append([record("a")] * 4)
        flying, later, done, _ = await claim(store, "a")
        await store.settle([retrying(later, EPOCH + 100), delivered(done)])
        [pending] = await store.append([record("a")])
        places = [
            flying.place,
            later.place,
            done.place,
            Place(pending, "a"),
            Place(1, "a"),
            Place(pending, "b"),
        ]
        assert await store.redrive(places, clock.now()) == 0
        assert keys(await drain(store, "a")) == [(pending, "")]

    async def test_the_same_place_twice_counts_once(self, store: Store, clock: FakeClock) -> None:
        letter = await die(store)
        assert await store.redrive([letter.place] * 2, clock.now()) == 1
        assert await store.redrive([letter.place], clock.now()) == 0
        assert keys(await drain(store, "a")) == keys([letter])

    async def test_with_older_first_tries_still_waiting(self, store: Store, clock: FakeClock) -> None:
        """The letter lies above the watermark; it must not count as a first try."""
        older, _ = await store.append([record("a")] * 2)
        _, young = await claim(store, "a")
        await store.settle([dead(young)])
        await store.redrive([young.place], clock.now())
        assert await store.tally() == {"a": Tally(pending=1, retrying=1)}
        again = await claim_one(store, "a")
        await store.settle([delivered(again)])
        assert await store.tally() == {"a": Tally(pending=1)}
        assert await states(store, older) == {("a", ""): State.IN_FLIGHT}


class TestCancel:
    async def test_whatever_is_not_in_flight(self, store: Store, clock: FakeClock) -> None:
        await store.append([record("a")] * 4)
        flying, later, lost, done = await claim(store, "a")
        await store.settle([retrying(later, EPOCH + 1), dead(lost), delivered(done)])
        [pending, kept] = await store.append([record("a")] * 2)
        places = [flying.place, later.place, lost.place, done.place, Place(pending, "a"), Place(kept, "b")]
        assert await store.cancel(places) == 3
        assert await store.tally() == {"a": Tally(pending=2)}
        await store.due(EPOCH + 1)
        assert keys(await drain(store, "a")) == [(kept, "")]
        for place in (later.place, lost.place, Place(pending, "a")):
            assert await states(store, place.sequence) == {("a", ""): State.CANCELLED}
        assert await states(store, done.sequence) == {("a", ""): State.DELIVERED}

    async def test_once(self, store: Store) -> None:
        [sequence] = await store.append([record("a")])
        assert await store.cancel([Place(sequence, "a")] * 2) == 1
        assert await store.cancel([Place(sequence, "a")]) == 0

    async def test_the_other_body_goes_out(self, store: Store) -> None:
        [sequence] = await store.append([record(Route("a", "x"), Route("a", "y"))])
        await store.cancel([Place(sequence, "a", "x")])
        assert keys(await drain(store, "a")) == [(sequence, "y")]

    async def test_a_first_try_that_is_cancelled_holds_nothing_back(self, store: Store) -> None:
        first, *rest = await store.append([record("a")] * 5)
        await store.cancel([Place(first, "a")])
        await store.settle([delivered(delivery) for delivery in await claim(store, "a")])
        assert await store.tally() == {}
        assert await states(store, first) == {("a", ""): State.CANCELLED}
        assert await states(store, rest[0]) == {("a", ""): State.DELIVERED}

    async def test_far_down_a_backlog(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 5_000)
        gone = [sequences[at] for at in (0, 1_999, 2_000, 2_001, 4_999)]
        assert await store.cancel([Place(sequence, "a") for sequence in gone]) == 5
        assert await store.tally() == {"a": Tally(pending=4_995)}
        found = [delivery.sequence for delivery in await drain(store, "a")]
        assert found == [sequence for sequence in sequences if sequence not in gone]

    async def test_a_target_can_say_so_too(self, store: Store) -> None:
        await store.append([record("a")])
        flying = await claim_one(store, "a")
        await store.settle([Settlement(delivery=flying, state=State.CANCELLED, attempt=attempt())])
        assert await store.tally() == {}
        [found] = await store.of_event(flying.sequence)
        assert (found.state, found.at, len(found.delivery.attempts)) == (State.CANCELLED, None, 1)

    async def test_while_workers_claim(self, store: Store) -> None:
        """Each is delivered or cancelled, none both and none neither."""
        sequences = await store.append([record("a")] * 3_000)
        taken: list[int] = []
        counts: list[int] = []

        async def worker() -> None:
            while True:
                await anyio.lowlevel.checkpoint()
                batch = await store.claim("a", 7)
                taken.extend(delivery.sequence for delivery in batch)
                await store.settle([delivered(delivery) for delivery in batch])

        async def operator(part: int) -> None:
            for at in range(part, len(sequences), 60):
                await anyio.lowlevel.checkpoint()
                some = sequences[at : at + 3]
                counts.append(await store.cancel([Place(sequence, "a") for sequence in some]))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(worker)
                async with anyio.create_task_group() as operators:
                    for part in (40, 20):
                        operators.start_soon(operator, part)
                while await store.tally():
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        assert 0 < sum(counts) < len(sequences)
        assert len(taken) == len(set(taken)) == len(sequences) - sum(counts)


class TestMoving:
    async def test_it_becomes_the_other_targets(self, store: Store, clock: FakeClock) -> None:
        [sequence] = await store.append([record(Route("a", "x", ("one", "two")))])
        await store.settle([dead(await claim_one(store, "a"))])
        clock.advance(5)
        assert await store.redrive([Place(sequence, "a", "x")], clock.now(), to="b") == 1
        assert await states(store, sequence) == {("a", "x"): State.CANCELLED, ("b", "x"): State.RETRYING}
        moved = await claim_one(store, "b")
        assert (moved.target, moved.variant, moved.rules, moved.version) == ("b", "x", ("one", "two"), "v1")
        assert [tried.redrive for tried in moved.attempts] == [False, True]
        assert (await states(store, sequence))["b", "x"] is State.IN_FLIGHT
        await store.settle([delivered(moved)])
        assert await store.tally() == {}
        assert await states(store, sequence) == {("a", "x"): State.CANCELLED, ("b", "x"): State.DELIVERED}

    async def test_whatever_waits(self, store: Store, clock: FakeClock) -> None:
        await store.append([record("gone")] * 4)
        flying, later, lost, done = await claim(store, "gone")
        await store.settle([retrying(later, EPOCH + 900), dead(lost), delivered(done)])
        [pending] = await store.append([record("gone")])
        places = [flying.place, later.place, lost.place, done.place, Place(pending, "gone")]
        assert await store.redrive(places, clock.now(), to="here") == 3
        assert sorted(keys(await drain(store, "here"))) == sorted([*keys([later, lost]), (pending, "")])
        assert await drain(store, "gone") == []

    async def test_where_it_goes_already_it_goes_once(self, store: Store, clock: FakeClock) -> None:
        [sequence] = await store.append([record("a", "b")])
        assert await store.redrive([Place(sequence, "a")], clock.now(), to="b") == 1
        assert keys(await drain(store, "b")) == [(sequence, "")]
        assert await drain(store, "a") == []

    async def test_two_that_meet_are_one(self, store: Store, clock: FakeClock) -> None:
        [sequence] = await store.append([record("a", "b")])
        places = [Place(sequence, "a"), Place(sequence, "b")]
        assert await store.redrive(places, clock.now(), to="c") == 2
        assert keys(await drain(store, "c")) == [(sequence, "")]

    @pytest.mark.parametrize("lost", [True, False], ids=["dead", "cancelled"])
    async def test_where_it_was_given_up_it_is_made_again(
        self, store: Store, clock: FakeClock, *, lost: bool
    ) -> None:
        [sequence] = await store.append([record("a", "b")])
        if lost:
            await store.settle([dead(await claim_one(store, "b"))])
        else:
            await store.cancel([Place(sequence, "b")])
        assert await store.redrive([Place(sequence, "a")], clock.now(), to="b") == 1
        assert keys(await drain(store, "b")) == [(sequence, "")]

    async def test_where_it_was_delivered_it_is_not_made_again(self, store: Store, clock: FakeClock) -> None:
        [sequence] = await store.append([record("a", "b")])
        await store.settle([delivered(await claim_one(store, "b"))])
        assert await store.redrive([Place(sequence, "a")], clock.now(), to="b") == 1
        assert await drain(store, "b") == []

    async def test_there_and_back_and_on(self, store: Store, clock: FakeClock) -> None:
        [sequence] = await store.append([record(Route("a", "", ("one",)))])
        await store.redrive([Place(sequence, "a")], clock.now(), to="b")
        await store.redrive([Place(sequence, "b")], clock.now(), to="a")
        assert await states(store, sequence) == {("a", ""): State.RETRYING, ("b", ""): State.CANCELLED}
        await store.redrive([Place(sequence, "a")], clock.now(), to="c")
        await store.redrive([Place(sequence, "c")], clock.now(), to="d")
        found = await claim_one(store, "d")
        assert (found.sequence, found.rules) == (sequence, ("one",))

    async def test_to_where_it_is_is_a_redrive(self, store: Store, clock: FakeClock) -> None:
        letter = await die(store)
        [pending] = await store.append([record("a")])
        assert await store.redrive([letter.place, Place(pending, "a")], clock.now(), to="a") == 1
        assert keys(await drain(store, "a")) == [*keys([letter]), (pending, "")]

    async def test_what_was_moved_can_die_and_come_again(self, store: Store, clock: FakeClock) -> None:
        letter = await die(store)
        await store.redrive([letter.place], clock.now(), to="b")
        await store.settle([dead(await claim_one(store, "b"))])
        assert await store.tally() == {"b": Tally(dead=1)}
        there = letter.place._replace(target="b")
        assert await store.redrive([there], clock.now()) == 1
        assert keys(await drain(store, "b")) == keys([letter])

    async def test_what_was_moved_does_not_count_as_a_first_try(self, store: Store, clock: FakeClock) -> None:
        one, two, three = await store.append([record("a"), record("b"), record("a")])
        places = [Place(one, "a"), Place(three, "a")]
        await store.redrive(places, clock.now(), to="b")
        assert await store.tally() == {"b": Tally(pending=1, retrying=2)}
        assert sorted(keys(await drain(store, "b"))) == [(one, ""), (two, ""), (three, "")]
