from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from router.operations import events
from router.operations.answers import EventSummary
from router.operations.errors import NotThereError
from router.operations.events import page, show
from router.operations.moments import moment
from router.operations.questions import EventQuery, Order
from router.store.base import Settlement, State, Store
from tests.operations.archive import at, kill, routed

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


async def ids(store: Store, **query: object) -> list[int]:
    found = await page(store, msgspec.convert({"most": 100, **query}, EventQuery))
    assert found.next is None
    return [int(event.id) for event in found.events]


async def test_newest_first_and_oldest_first(store: Store) -> None:
    await store.append([routed(number) for number in range(5)])
    assert await ids(store) == [4, 3, 2, 1, 0]
    assert await ids(store, order="oldest") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("order", list(Order))
async def test_pages_follow_one_another_without_a_gap(order: Order, store: Store) -> None:
    await store.append([routed(number) for number in range(25)])
    found: list[int] = []
    after: int | None = None
    pages = 0
    while True:
        got = await page(store, EventQuery(order=order, most=7, after=after))
        found += [int(event.id) for event in got.events]
        pages += 1
        if (after := got.next) is None:
            break
    assert pages == 4
    assert found == sorted(range(25), reverse=order is Order.NEWEST)


async def test_filters(store: Store) -> None:
    await store.append(
        [
            routed(0, "audit", type_="imm:Task:VideoModeration", source="acs.imm", subject="a/1.mp4"),
            routed(1, "audit", "hook", type_="imm:Task:ImageModeration", source="acs.imm", subject="b/2.jpg"),
            routed(2, type_="com.example.order", source="/shop"),
        ]
    )
    assert await ids(store, type="imm:Task:*") == [1, 0]
    assert await ids(store, type="*Moderation", subject="*.jpg") == [1]
    assert await ids(store, type="imm:Task:VideoModeration") == [0]
    assert await ids(store, type="imm:Task") == []
    assert await ids(store, source="acs.*") == [1, 0]
    assert await ids(store, subject="*") == [1, 0]
    assert await ids(store, id="2") == [2]
    assert await ids(store, target="audit") == [1, 0]
    assert await ids(store, target="hook", type="*Video*") == []


async def test_times(store: Store) -> None:
    await store.append([routed(number, received=NOW + number) for number in range(5)])
    assert await ids(store, since=at(NOW + 1), until=at(NOW + 3)) == [2, 1]
    assert await ids(store, since=at(NOW + 1), until=at(NOW + 3), order="oldest") == [1, 2]
    assert await ids(store, until=at(NOW)) == []
    assert await ids(store, since=at(NOW + 4.5)) == []


async def test_the_first_and_the_last_time_that_can_be_written(store: Store) -> None:
    await store.append([routed(0)])
    first, last = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
    assert await ids(store, since=first, until=last) == await ids(store, order="oldest", until=last) == [0]
    assert await ids(store, since=last) == await ids(store, until=first) == []


async def test_the_time_that_is_shown_finds_the_event_again(store: Store) -> None:
    await store.append([routed(0, received=NOW + 0.1234567)])
    (shown,) = (await page(store, EventQuery())).events
    assert await ids(store, since=shown.received) == [0]
    assert await ids(store, until=shown.received) == []
    assert await ids(store, since=shown.received + timedelta(microseconds=1)) == []


@pytest.mark.parametrize("when", [0.0, 1.5, 1_800_000_000.9999999, 1_800_000_000.1234565, 4_102_444_799.75])
def test_a_moment_is_never_later_than_it_was(when: float) -> None:
    assert when - 0.000_002 < moment(when).timestamp() <= when


async def test_what_a_clock_that_was_set_back_hides_is_found(store: Store) -> None:
    await store.append([routed(0, received=NOW), routed(1, received=NOW + 3600), routed(2, received=NOW + 1)])
    assert await ids(store, since=at(NOW), until=at(NOW + 2)) == [2, 0]
    assert await ids(store, since=at(NOW + 0.5), until=at(NOW + 2), order="oldest") == [2]


@pytest.mark.parametrize("order", list(Order))
async def test_nobodys_question_reads_the_whole_archive_at_once(
    order: Order, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_LOOKED", 10)
    await store.append([routed(number, type_="x" if number == 12 else "y") for number in range(25)])
    found: list[EventSummary] = []
    after: int | None = None
    pages = 0
    while True:
        got = await page(store, EventQuery(order=order, type="x", after=after))
        found += got.events
        pages += 1
        if (after := got.next) is None:
            break
    assert pages == 3
    assert [event.id for event in found] == ["12"]


async def test_one_event_with_what_became_of_it(store: Store) -> None:
    (sequence,) = await store.append([routed(7, "audit", "hook", "later", notes=("trailing-comma",))])
    (dead,) = await kill(store, "hook", 1, now=NOW + 5)
    (audited,) = await store.claim("audit", 1)
    await store.settle([Settlement(delivery=audited, state=State.DELIVERED)])
    told = await show(store, sequence)
    assert (told.sequence, told.id, told.read_by, told.version) == (sequence, "7", "events", "v1")
    assert told.notes == ("trailing-comma",)
    assert told.targets == ("audit", "hook", "later")
    # Numbers keep their spelling: it is the sender's text.
    assert b'{"n": 1.0, "id": 7}' in bytes(told.event)
    standing = {delivery.target: delivery for delivery in told.deliveries}
    assert {name: one.state for name, one in standing.items()} == {
        "audit": State.DELIVERED,
        "hook": State.DEAD,
        "later": State.PENDING,
    }
    assert standing["hook"].id == dead
    (attempt,) = standing["hook"].history
    assert (attempt.at, attempt.status, attempt.error, attempt.answer) == (
        at(NOW + 5),
        400,
        "answered 400",
        "no, thank you",
    )


async def test_an_event_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotThereError, match="there is no event 17, or it is no longer in the archive"):
        await show(store, 17)
