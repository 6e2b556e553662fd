"""Lists accepted events, and shows one with what became of it."""

from __future__ import annotations

from collections.abc import Callable

from router.operations.answers import (
    EventPage,
    EventSummary,
    EventTold,
)
from router.operations.errors import NotThereError
from router.operations.moments import seconds_of
from router.operations.questions import EventQuery, Order
from router.operations.views import delivery_told, event_told, summary_of
from router.operations.walking import newest_first, window
from router.patterns.conditions import wildcard
from router.store.base import Record, Store

MOST_LOOKED = 5_000
"""Records that are looked at for one page: nobody's question keeps the router from its work."""

Test = Callable[[Record], bool]


async def page(store: Store, query: EventQuery) -> EventPage:
    """The next events that a query asks for."""
    fits = test_of(query)
    first, last = await window(store, query.since, query.until)
    if query.order is Order.NEWEST:
        last = last if query.after is None else min(last, query.after - 1)
        walk = newest_first(store, first, last)
    else:
        first = first if query.after is None else max(first, query.after + 1)
        walk = store.scan(first, last)
    found: list[EventSummary] = []
    looked = 0
    async for stored in walk:
        looked += 1
        if fits(stored.record):
            found.append(summary_of(stored))
        if len(found) == query.most or looked == MOST_LOOKED:
            return EventPage(events=tuple(found), next=stored.sequence)
    return EventPage(events=tuple(found), next=None)


async def show(store: Store, sequence: int) -> EventTold:
    """One event and all its deliveries.

    Raises:
        NotThereError: there is none at this sequence, or none any more.
    """
    stored = await store.get(sequence)
    if stored is None:
        raise NotThereError(f"there is no event {sequence}, or it is no longer in the archive")
    return event_told(stored, tuple(map(delivery_told, await store.of_event(sequence))))


def glob(pattern: str | None) -> Callable[[str | None], bool]:
    """Whether a text fits a glob, as those in rules do; every text fits None."""
    if pattern is None:
        return lambda _: True
    condition = wildcard(pattern)
    return lambda text: text is not None and condition.matches(text)


def within(query_since: float | None, query_until: float | None) -> Callable[[float], bool]:
    """Whether a time (seconds since the epoch) is at `since` or later, and before `until`."""
    return lambda when: (
        (query_since is None or when >= query_since) and (query_until is None or when < query_until)
    )


def test_of(query: EventQuery) -> Test:
    """What a query asks of each record."""
    in_time = within(seconds_of(query.since), seconds_of(query.until))
    source, type_, subject = glob(query.source), glob(query.type), glob(query.subject)

    def fits(record: Record) -> bool:
        event = record.event
        return (
            in_time(record.received)
            and (query.id is None or event.id == query.id)
            and type_(event.type)
            and source(event.source)
            and subject(event.subject)
            and (query.target is None or any(route.target == query.target for route in record.routes))
        )

    return fits
