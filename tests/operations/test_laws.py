"""Whatever the archive, the filter and the pages: all that fits is listed once, in order, and no more."""

from __future__ import annotations

from unittest import mock

import anyio
from hypothesis import given
from hypothesis import strategies as st

from router.operations import deliveries, events
from router.operations.questions import DeliveryQuery, EventQuery, Order
from router.operations.walking import LEEWAY
from router.store.base import Attempt, Record, Settlement, State
from router.store.memory import MemoryStore
from tests.operations.archive import at, routed
from tests.support import HandClock

NOW = 1_800_000_000.0

TYPES = ["order.new", "order.late", "invoice.new"]
TARGETS = ["audit", "hook"]

TIMES = st.integers(0, int(LEEWAY)).map(lambda offset: NOW + offset)
"""A clock that is set back and forth, but never by more than is allowed for."""

RECORDS = st.lists(
    st.builds(
        lambda type_, targets, received: (type_, sorted(targets), received),
        st.sampled_from(TYPES),
        st.sets(st.sampled_from(TARGETS)),
        TIMES,
    ),
    max_size=40,
).map(
    lambda made: [
        routed(number, *targets, type_=type_, received=received)
        for number, (type_, targets, received) in enumerate(made)
    ]
)

BOUNDS = st.tuples(st.none() | TIMES, st.none() | TIMES)
GLOBS = st.sampled_from([None, "*", "order.*", "*.new", "order.new", "nothing"])
PAGES = st.integers(1, 7)


def fits(record: Record, bounds: tuple[float | None, float | None], glob: str | None) -> bool:
    since, until = bounds
    begins, _, ends = (glob or "*").partition("*")
    named = record.event.type == glob or (
        "*" in (glob or "*") and record.event.type.startswith(begins) and record.event.type.endswith(ends)
    )
    return (
        named and (since is None or record.received >= since) and (until is None or record.received < until)
    )


@given(RECORDS, BOUNDS, GLOBS, st.sampled_from(Order), PAGES, PAGES)
def test_events(
    records: list[Record],
    bounds: tuple[float | None, float | None],
    glob: str | None,
    order: Order,
    most: int,
    looked: int,
) -> None:
    async def walk() -> list[int]:
        store = MemoryStore(HandClock())
        await store.append(records)
        since, until = (None if when is None else at(when) for when in bounds)
        found: list[int] = []
        after = None
        while True:
            query = EventQuery(since=since, until=until, type=glob, order=order, most=most, after=after)
            page = await events.page(store, query)
            assert len(page.events) <= most
            found += [int(event.id) for event in page.events]
            if (after := page.next) is None:
                return found

    with mock.patch.object(events, "MOST_LOOKED", looked):
        found = anyio.run(walk)
    wanted = [number for number, record in enumerate(records) if fits(record, bounds, glob)]
    assert found == (wanted if order is Order.OLDEST else wanted[::-1])


@given(RECORDS, BOUNDS, GLOBS, st.none() | st.sampled_from(TARGETS), st.integers(0, 10), PAGES, PAGES)
def test_deliveries(
    records: list[Record],
    bounds: tuple[float | None, float | None],
    glob: str | None,
    target: str | None,
    dead: int,
    most: int,
    read: int,
) -> None:
    async def walk() -> list[tuple[int, str]]:
        store = MemoryStore(HandClock())
        await store.append(records)
        await _kill_some(store, dead)
        since, until = (None if when is None else at(when) for when in bounds)
        found: list[tuple[int, str]] = []
        after = None
        while True:
            query = DeliveryQuery(since=since, until=until, type=glob, target=target, most=most, after=after)
            page = await deliveries.page(store, query)
            assert len(page.deliveries) <= most
            found += [(int(one.event_id), one.target) for one in page.deliveries]
            if (after := page.next) is None:
                return found

    with mock.patch.multiple(deliveries, PAGE=read, MOST_LOOKED=2 * read):
        found = anyio.run(walk)
    assert found == [
        (number, route.target)
        for number, record in enumerate(records)
        if fits(record, bounds, glob)
        for route in record.routes
        if target in {None, route.target}
    ]


async def _kill_some(store: MemoryStore, count: int) -> None:
    """Let the first tries of `hook` die: dead ones are listed among those that wait, in their places."""
    waiting = await store.standing([State.PENDING], "hook", most=count)
    if waiting:
        attempt = Attempt(at=NOW, seconds=0.0, error="no")
        claimed = await store.claim("hook", len(waiting))
        await store.settle([Settlement(delivery=one, state=State.DEAD, attempt=attempt) for one in claimed])
