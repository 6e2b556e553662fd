"""What every store tells about its deliveries and records."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import pytest

from router.store.base import Extent, Place, Record, Route, Standing, State, Store, Stored
from tests.store.support import (
    EPOCH,
    FakeClock,
    claim,
    claim_one,
    dead,
    delivered,
    keys,
    record,
    retrying,
)

pytestmark = pytest.mark.anyio

OPEN = (State.PENDING, State.IN_FLIGHT, State.RETRYING, State.DEAD)


def received(at: float, *targets: str, fingerprint: bytes = b"") -> Record:
    return msgspec.structs.replace(record(*targets), received=at, fingerprint=fingerprint)


async def every(store: Store, states: Collection[State], target: str | None, most: int) -> list[Standing]:
    """All pages."""
    found: list[Standing] = []
    while page := await store.standing(states, target, found[-1].delivery.place if found else None, most):
        assert len(page) <= most
        found.extend(page)
    return found


class TestStanding:
    async def test_each_state_with_its_time(self, store: Store, clock: FakeClock) -> None:
        await store.append([record("a")] * 4)
        clock.advance(5)
        first, later, lost, again = await claim(store, "a")
        clock.advance(1)
        await store.settle([retrying(later, EPOCH + 60), dead(lost), retrying(again, EPOCH + 6)])
        await store.due(EPOCH + 6)
        clock.advance(1)
        again = await claim_one(store, "a")
        [pending] = await store.append([record("a")])
        found = await store.standing(OPEN)
        assert [(one.delivery.sequence, one.state, one.at) for one in found] == [
            (first.sequence, State.IN_FLIGHT, EPOCH + 5),
            (later.sequence, State.RETRYING, EPOCH + 60),
            (lost.sequence, State.DEAD, EPOCH + 6),
            (again.sequence, State.IN_FLIGHT, EPOCH + 7),
            (pending, State.PENDING, None),
        ]
        assert [len(one.delivery.attempts) for one in found] == [0, 1, 1, 1, 0]
        assert found[3].delivery == again

    @pytest.mark.parametrize("state", OPEN)
    async def test_one_state_alone(self, store: Store, state: State) -> None:
        await store.append([record("a")] * 3)
        _, later, lost = await claim(store, "a")
        await store.settle([retrying(later, EPOCH + 60), dead(lost)])
        await store.append([record("a")])
        assert [one.state for one in await store.standing([state])] == [state]

    async def test_what_is_over_is_left_out(self, store: Store) -> None:
        await store.append([record("a")] * 3)
        one, two, three = await claim(store, "a")
        await store.settle([delivered(two), dead(three)])
        await store.cancel([three.place])
        assert [found.delivery for found in await store.standing(OPEN)] == [one]

    @pytest.mark.parametrize("target", [None, "a", "nobody"])
    @pytest.mark.parametrize("most", [1, 2, 3, 1_000])
    async def test_pages_follow_one_another(self, store: Store, target: str | None, most: int) -> None:
        bodies = [Route("a", "x"), Route("a", "y"), Route("b"), Route("c")]
        await store.append([record(*bodies)] * 12)
        for name, wanted in {"a": 9, "b": 9, "c": 9}.items():
            one, two, three, *others = await claim(store, name, wanted)
            await store.settle([retrying(one, EPOCH + 9), dead(two), delivered(three), dead(others[-1])])
        found = await every(store, OPEN, target, most)
        places = [one.delivery.place for one in found]
        assert places == sorted(set(places))
        assert len(found) == {None: 45, "a": 23, "nobody": 0}[target]
        assert {place.target for place in places} <= {target} or target is None

    @pytest.mark.parametrize("target", [None, "a"])
    async def test_a_long_backlog(self, store: Store, target: str | None) -> None:
        sequences = await store.append([record("a", "b")] * 2_300)
        await store.settle([delivered(one) for one in await claim(store, "b", 100)])
        await claim(store, "a", 10)
        found = await every(store, [State.PENDING], target, 700)
        assert [one.delivery.sequence for one in found if one.delivery.target == "a"] == list(sequences[10:])
        assert sum(one.delivery.target == "b" for one in found) == (2_200 if target is None else 0)

    async def test_an_empty_store(self, store: Store) -> None:
        assert list(await store.standing(OPEN)) == []


class TestOfEvent:
    async def test_all_its_deliveries_in_order(self, store: Store, clock: FakeClock) -> None:
        routes = [Route("d"), Route("c"), Route("b"), Route("a", "y"), Route("a", "x")]
        sequence, _ = await store.append([record(*routes), record("a", "b", "c", "d")])
        [first, second] = await claim(store, "a", 2)
        assert (first.variant, second.variant) == ("y", "x")
        await store.settle([delivered(first), retrying(await claim_one(store, "b"), EPOCH + 3)])
        await store.settle([dead(await claim_one(store, "c"))])
        found = [(*one.delivery.place[1:], one.state, one.at) for one in await store.of_event(sequence)]
        assert found == [
            ("a", "x", State.IN_FLIGHT, EPOCH),
            ("a", "y", State.DELIVERED, None),
            ("b", "", State.RETRYING, EPOCH + 3),
            ("c", "", State.DEAD, EPOCH),
            ("d", "", State.PENDING, None),
        ]

    async def test_delivered_out_of_order(self, store: Store) -> None:
        await store.append([record("a")] * 3)
        one, two, three = await claim(store, "a")
        await store.settle([delivered(two), delivered(three)])
        found = [(await store.of_event(each.sequence))[0].state for each in (one, two, three)]
        assert found == [State.IN_FLIGHT, State.DELIVERED, State.DELIVERED]

    async def test_far_down_a_backlog(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 4_000)
        for sequence in (sequences[0], sequences[-1]):
            [found] = await store.of_event(sequence)
            assert (found.state, found.delivery.place) == (State.PENDING, Place(sequence, "a"))

    async def test_no_event_no_deliveries(self, store: Store) -> None:
        [sequence] = await store.append([record()])
        for one in (sequence, sequence - 1, sequence + 1):
            assert list(await store.of_event(one)) == []


class TestRecords:
    async def test_one_by_its_sequence(self, store: Store) -> None:
        kept = [received(EPOCH + at, "a", fingerprint=bytes([at]) * 16) for at in range(3)]
        sequences = await store.append(kept)
        assert [await store.get(at) for at in sequences] == list(map(Stored, sequences, kept))
        assert await store.get(sequences[0] - 1) is None
        assert await store.get(sequences[-1] + 1) is None

    async def test_the_first_at_a_time(self, store: Store) -> None:
        sequences = await store.append([received(EPOCH + at) for at in (0, 10, 10, 20)])
        found = [await store.first_at(EPOCH + at) for at in (-1, 0, 5, 10, 11, 20, 21)]
        one, two, _, four = sequences
        assert found == [one, one, two, two, four, four, four + 1]

    async def test_a_clock_that_was_set_back_hides_nothing(self, store: Store) -> None:
        early, late, again = await store.append([received(EPOCH + at) for at in (0, 3_600, 1)])
        assert [await store.first_at(EPOCH + at) for at in (0.5, 3_600, 3_601)] == [late, late, again + 1]
        assert await store.first_at(EPOCH) == early

    async def test_the_first_of_nothing_is_the_next(self, store: Store) -> None:
        before = await store.first_at(EPOCH)
        assert list(await store.append([record()])) == [before]

    async def test_how_far_it_reaches(self, store: Store) -> None:
        assert msgspec.structs.replace(await store.extent(), bytes=0) == Extent()
        empty = (await store.extent()).bytes
        sequences = await store.append([received(EPOCH + at) for at in (7, 8, 9)])
        extent = await store.extent()
        assert (extent.first, extent.last, extent.since) == (sequences[0], sequences[-1], EPOCH + 7)
        assert extent.bytes > empty


class TestFingerprints:
    async def test_the_newest_in_order(self, store: Store) -> None:
        marks = [bytes([at]) * 16 for at in range(6)]
        sequences = await store.append(
            [received(EPOCH + at, fingerprint=mark) for at, mark in enumerate(marks)]
        )
        everything = [(at, EPOCH + number, marks[number]) for number, at in enumerate(sequences)]
        assert list(await store.fingerprints(EPOCH, 100)) == everything
        assert list(await store.fingerprints(EPOCH + 2, 100)) == everything[2:]
        assert list(await store.fingerprints(EPOCH, 2)) == everything[4:]
        assert list(await store.fingerprints(EPOCH + 4, 1)) == everything[5:]
        assert list(await store.fingerprints(EPOCH, 0)) == []
        assert list(await store.fingerprints(EPOCH + 6, 100)) == []

    async def test_those_without_do_not_count(self, store: Store) -> None:
        await store.append([received(EPOCH), received(EPOCH, fingerprint=b"x" * 16), received(EPOCH)])
        assert [mark for *_, mark in await store.fingerprints(EPOCH, 1)] == [b"x" * 16]


async def test_looking_claims_nothing(store: Store) -> None:
    sequences = await store.append([record("a")] * 3)
    await store.standing(OPEN)
    await store.of_event(sequences[0])
    assert keys(await claim(store, "a")) == [(sequence, "") for sequence in sequences]
