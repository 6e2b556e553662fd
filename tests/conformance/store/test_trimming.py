"""What every store lets go, and what never."""

from __future__ import annotations

import msgspec
import pytest

from router.store.base import Extent, Record, State, Store, Tally
from tests.store.support import (
    EPOCH,
    FakeClock,
    claim,
    claim_one,
    dead,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
    sequences_of,
)

pytestmark = pytest.mark.anyio

ENOUGH = 10**12
"""More bytes than there are."""

LARGE = 150_000
"""Bytes of a payload, so that a few records make a portion of their own."""


def large(at: float, *targets: str, size: int = LARGE) -> Record:
    return msgspec.structs.replace(record(*targets, data=b'"%0*d"' % (size, 0)), received=at)


async def fill(store: Store, count: int, *targets: str) -> list[int]:
    return [(await store.append([large(EPOCH + at, *targets)]))[0] for at in range(count)]


async def test_what_is_old_and_finished_goes(store: Store) -> None:
    sequences = await fill(store, 12)
    count = await store.trim(EPOCH + 6, ENOUGH)
    left = await sequences_of(store)
    assert 3 <= count <= 6
    assert left == sequences[count:]
    assert await store.get(sequences[0]) is None
    assert list(await store.of_event(sequences[0])) == []
    assert await store.first_at(EPOCH) == left[0]
    extent = await store.extent()
    assert (extent.first, extent.last, extent.since) == (left[0], sequences[-1], EPOCH + count)


async def test_what_is_too_much_and_finished_goes(store: Store) -> None:
    sequences = await fill(store, 12)
    assert await store.trim(EPOCH, 6 * LARGE) >= 6
    left = await sequences_of(store)
    assert left == sequences[-len(left) :]
    assert len(left) >= 1


async def test_what_is_young_and_little_stays(store: Store) -> None:
    sequences = await fill(store, 5)
    assert await store.trim(EPOCH, ENOUGH) == 0
    assert await sequences_of(store) == sequences


async def test_nothing_of_nothing_goes(store: Store) -> None:
    assert await store.trim(EPOCH + 1e9, 0) == 0
    assert msgspec.structs.replace(await store.extent(), bytes=0) == Extent()


@pytest.mark.parametrize(("before", "most"), [(EPOCH + 1e9, ENOUGH), (EPOCH, 0), (EPOCH + 1e9, 0)])
async def test_the_unfinished_and_the_dead_never_go(
    store: Store, clock: FakeClock, before: float, most: int
) -> None:
    sequences = await fill(store, 12, "a")
    lost, later, flying, again, moved, *rest = await claim(store, "a", 9)
    await store.settle([dead(lost), retrying(later, EPOCH + 60), dead(again), dead(moved)])
    await store.settle([delivered(delivery) for delivery in rest])
    await store.redrive([again.place], clock.now())
    await store.redrive([moved.place], clock.now(), to="b")
    tally = await store.tally()
    assert await store.trim(before, most) <= 4
    needed = {one.sequence for one in (lost, later, flying, again, moved)} | set(sequences[9:])
    assert needed <= set(await sequences_of(store))
    assert await store.tally() == tally == {"a": Tally(pending=4, retrying=2, dead=1), "b": Tally(retrying=1)}
    await store.settle([delivered(flying)])
    await store.due(EPOCH + 60)
    found = keys(await drain(store, "a"))
    assert sorted(found) == [(at, "") for at in (later.sequence, again.sequence, *sequences[9:])]
    assert keys(await drain(store, "b")) == keys([moved])
    assert [letter.delivery.event for letter in await dead_letters(store)] == [lost.event]


async def test_what_is_cancelled_stays_cancelled(store: Store) -> None:
    sequences = await fill(store, 8, "a", "b")
    await store.cancel([one.delivery.place for one in await store.standing([State.PENDING], "a")])
    await store.trim(EPOCH + 1e9, 0)
    assert await sequences_of(store) == sequences
    assert await drain(store, "a") == []
    assert keys(await drain(store, "b")) == [(at, "") for at in sequences]


async def test_it_goes_on_with_what_comes(store: Store, clock: FakeClock) -> None:
    for _ in range(5):
        sequences = await fill(store, 4, "a")
        found = await drain(store, "a")
        assert keys(found) == [(at, "") for at in sequences]
        await store.settle([delivered(delivery) for delivery in found])
        clock.advance(3_600)
        await store.trim(EPOCH + 1e9, 0)
    assert len(await sequences_of(store)) < 8
    [last] = await store.append([record("a")])
    assert (await claim_one(store, "a")).sequence == last
