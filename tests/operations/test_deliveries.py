from __future__ import annotations

from pathlib import Path

import pytest

from router.operations import deliveries
from router.operations.answers import Left
from router.operations.deliveries import drop, page, redrive, show
from router.operations.errors import AskedWrongError, NotThereError
from router.operations.places import id_of, place_of
from router.operations.questions import DeliveryQuery, Drop, Redrive
from router.store.base import Place, Settlement, State, Store
from router.store.log.salvage import copied
from router.store.sqlite import SqliteStore
from tests.operations.archive import at, kill, routed
from tests.support import HandClock

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
TARGETS = {"audit", "hook", "spare"}


async def ids(store: Store, query: DeliveryQuery | None = None) -> list[str]:
    found = await page(store, query or DeliveryQuery(most=1_000))
    return [f"{delivery.event_id} {delivery.target} {delivery.state}" for delivery in found.deliveries]


async def some(store: Store) -> list[str]:
    """Two dead ones of `hook`, one that waits for it, three that wait for `audit`; the ids of the dead."""
    await store.append(
        [
            routed(0, "audit", "hook", type_="a.b", rule="first", received=NOW),
            routed(1, "audit", "hook", type_="a.c", rule="second", received=NOW + 10),
            routed(2, "audit", "hook", type_="d", rule="second", received=NOW + 20),
        ]
    )
    return await kill(store, "hook", 2)


async def test_what_is_not_made_yet_is_listed_in_order(store: Store) -> None:
    await some(store)
    assert await ids(store) == [
        "0 audit pending",
        "0 hook dead",
        "1 audit pending",
        "1 hook dead",
        "2 audit pending",
        "2 hook pending",
    ]


async def test_filters(store: Store) -> None:
    await some(store)
    assert await ids(store, DeliveryQuery(state=(State.DEAD,))) == ["0 hook dead", "1 hook dead"]
    assert await ids(store, DeliveryQuery(target="hook", rule="second")) == ["1 hook dead", "2 hook pending"]
    assert await ids(store, DeliveryQuery(type="a.*", state=(State.PENDING,))) == [
        "0 audit pending",
        "1 audit pending",
    ]
    assert await ids(store, DeliveryQuery(since=at(NOW + 10), until=at(NOW + 20), target="audit")) == [
        "1 audit pending"
    ]
    assert await ids(store, DeliveryQuery(target="nobody")) == []


async def test_what_is_under_way_and_what_is_tried_again_is_listed(store: Store) -> None:
    await store.append([routed(0, "hook"), routed(1, "hook")])
    first, _ = await store.claim("hook", 2)
    await store.settle([Settlement(delivery=first, state=State.RETRYING, due=NOW + 60)])
    retried, flying = (await page(store, DeliveryQuery())).deliveries
    assert (retried.state, retried.at) == (State.RETRYING, at(NOW + 60))
    assert flying.state is State.IN_FLIGHT


@pytest.mark.parametrize("most", [1, 2, 5, 6, 7])
async def test_pages_follow_one_another_without_a_gap(most: int, store: Store) -> None:
    await some(store)
    found: list[str] = []
    after: str | None = None
    while True:
        got = await page(store, DeliveryQuery(most=most, after=after))
        assert len(got.deliveries) <= most
        found += [one.id for one in got.deliveries]
        if (after := got.next) is None:
            break
    assert found == [one.id for one in (await page(store, DeliveryQuery())).deliveries]


async def test_nobodys_question_reads_everything_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PAGE", 2)
    monkeypatch.setattr(deliveries, "MOST_LOOKED", 4)
    await store.append([routed(n, "hook", type_="x" if n == 9 else "y") for n in range(10)])
    found: list[str] = []
    after: str | None = None
    pages = 0
    while True:
        got = await page(store, DeliveryQuery(type="x", after=after))
        found += [one.event_id for one in got.deliveries]
        pages += 1
        if (after := got.next) is None:
            break
    assert found == ["9"]
    assert pages > 2


async def test_one_delivery_with_its_attempts(store: Store) -> None:
    dead, _ = await some(store)
    told = await show(store, dead)
    assert (told.id, told.state, told.attempts) == (dead, State.DEAD, 1)
    assert told.last is not None
    assert (told.last.status, told.last.error, told.last.answer) == (400, "answered 400", "no, thank you")
    assert told.history == (told.last,)


async def test_one_that_was_made_can_be_shown_too(store: Store) -> None:
    await store.append([routed(0, "hook")])
    (claimed,) = await store.claim("hook", 1)
    await store.settle([Settlement(delivery=claimed, state=State.DELIVERED)])
    assert (await show(store, claimed.id)).state is State.DELIVERED


# -- changes ------------------------------------------------------------------------------------------------


async def test_a_dry_change_counts_and_changes_nothing(store: Store) -> None:
    await some(store)
    before = await ids(store)
    counted = await redrive(store, Redrive(dry=True), NOW, TARGETS)
    assert (counted.count, counted.targets, counted.next) == (2, {"hook": 2}, None)
    counted = await drop(store, Drop(dry=True))
    assert (counted.count, counted.targets) == (6, {"audit": 3, "hook": 3})
    assert await ids(store) == before


async def test_what_is_dead_is_made_again_with_its_old_id(store: Store) -> None:
    dead = await some(store)
    assert (await redrive(store, Redrive(), NOW + 30, TARGETS)).count == 2
    again = await store.claim("hook", 2)
    assert [delivery.id for delivery in again] == dead
    history = (await show(store, dead[0])).history
    assert [attempt.redrive for attempt in history] == [False, True]
    assert history[1].at == at(NOW + 30)
    assert (await show(store, dead[0])).attempts == 1


async def test_only_those_that_the_filter_fits(store: Store) -> None:
    dead = await some(store)
    assert (await redrive(store, Redrive(type="a.c"), NOW, TARGETS)).count == 1
    assert [delivery.id for delivery in await store.claim("hook", 2)] == dead[1:]


async def test_only_those_that_are_named(store: Store) -> None:
    dead = await some(store)
    assert (await redrive(store, Redrive(ids=(dead[1], dead[1])), NOW, TARGETS)).count == 1
    assert (await drop(store, Drop(ids=(dead[0],)))).targets == {"hook": 1}
    assert (await show(store, dead[0])).state is State.CANCELLED
    assert (await show(store, dead[1])).state is State.RETRYING


async def test_a_name_that_does_not_fit_the_filter_is_left_alone(store: Store) -> None:
    dead = await some(store)
    assert (await drop(store, Drop(ids=(dead[0],), rule="second"))).count == 0
    assert (await drop(store, Drop(ids=(dead[0],), state=(State.PENDING,)))).count == 0
    assert (await show(store, dead[0])).state is State.DEAD


async def test_what_is_left_as_it_is_is_told_with_the_reason(store: Store) -> None:
    dead = await some(store)
    (flying,) = await store.claim("audit", 1)
    changed = await drop(store, Drop(target="audit", dry=True))
    assert (changed.count, changed.left) == (2, {Left.IN_FLIGHT: 1})
    changed = await redrive(store, Redrive(to="spare", target="audit"), NOW, TARGETS)
    assert (changed.count, changed.left) == (2, {Left.IN_FLIGHT: 1})
    # Whoever names a state means no other one.
    assert (await drop(store, Drop(target="audit", state=(State.PENDING,)))).left == {}
    assert (await redrive(store, Redrive(target="audit"), NOW, TARGETS)).left == {}
    named = Redrive(ids=(flying.id, dead[0], dead[1]), rule="first")
    changed = await redrive(store, named, NOW, TARGETS)
    assert (changed.count, changed.left) == (1, {Left.IN_FLIGHT: 1, Left.OTHER_FILTER: 1})
    assert (await redrive(store, Redrive(ids=(dead[0],)), NOW, TARGETS)).left == {Left.OTHER_STATE: 1}


async def test_a_dead_letter_whose_event_is_lost(clock: HandClock, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, clock)
    dead = await some(store)
    await store.close()
    (segment,) = (tmp_path / "events").glob("*.log")
    lost = place_of(dead[0]).sequence
    copied(segment, segment, lambda row: "lost" if row[0] == lost else None, grows=False)
    store = SqliteStore(tmp_path, clock)
    try:
        told = await show(store, dead[0])
        assert (told.id, told.state, told.version, told.attempts) == (dead[0], State.DEAD, "", 1)
        for to in (None, "spare"):
            changed = await redrive(store, Redrive(target="hook", ids=(dead[0],), to=to), NOW, TARGETS)
            assert (changed.count, changed.left) == (0, {Left.UNREADABLE: 1})
        changed = await redrive(store, Redrive(), NOW, TARGETS)
        assert (changed.count, changed.left) == (1, {Left.UNREADABLE: 1})
        with pytest.raises(NotThereError, match=r"no longer in the archive"):
            await show(store, dead[0].replace("hook", "audit"))
        assert (await drop(store, Drop(ids=(dead[0],)))).count == 1
    finally:
        await store.close()


async def test_the_backlog_of_a_target_that_is_gone_goes_elsewhere(store: Store) -> None:
    await some(store)
    changed = await redrive(store, Redrive(target="hook", to="spare"), NOW, TARGETS)
    assert changed.count == 3
    moved = await store.claim("spare", 10)
    assert [delivery.event.id for delivery in moved] == ["0", "1", "2"]
    assert (await store.tally())["spare"].dead == 0
    assert await ids(store, DeliveryQuery(target="hook")) == []


async def test_dropped_ones_never_come(store: Store) -> None:
    await some(store)
    assert (await drop(store, Drop(target="hook"))).count == 3
    await store.append([routed(9, "hook")])
    assert [delivery.event.id for delivery in await store.claim("hook", 10)] == ["9"]


async def test_a_change_of_many_goes_on_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PAGE", 3)
    monkeypatch.setattr(deliveries, "MOST_LOOKED", 6)
    await store.append([routed(n, "hook") for n in range(20)])
    await kill(store, "hook", 20)
    counts = []
    after: str | None = None
    while True:
        changed = await drop(store, Drop(after=after))
        counts.append(changed.count)
        if (after := changed.next) is None:
            break
    assert sum(counts) == 20
    assert max(counts) == 6


async def test_what_is_under_way_is_left_alone(store: Store, clock: HandClock) -> None:
    await store.append([routed(0, "hook")])
    await store.claim("hook", 1)
    assert (await drop(store, Drop())).count == 0
    assert (await redrive(store, Redrive(to="spare"), clock.now(), TARGETS)).count == 0


# -- asked wrongly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DELIVERED, State.CANCELLED])
async def test_what_is_over_is_not_listed(state: State, store: Store) -> None:
    with pytest.raises(AskedWrongError, match=f"deliveries that are {state} are not listed"):
        await page(store, DeliveryQuery(state=(State.DEAD, state)))


async def test_what_waits_anyway_is_not_redriven_to_where_it_waits(store: Store) -> None:
    with pytest.raises(AskedWrongError, match="what is pending cannot be changed like this: it is made anyw"):
        await redrive(store, Redrive(state=(State.PENDING,)), NOW, TARGETS)
    with pytest.raises(AskedWrongError, match="what is in-flight cannot be changed like this"):
        await drop(store, Drop(state=(State.IN_FLIGHT,)))


async def test_a_target_that_nobody_defined(store: Store) -> None:
    with pytest.raises(NotThereError, match=r"there is no target 'audti'; did you mean 'audit'\?"):
        await redrive(store, Redrive(to="audti"), NOW, TARGETS)
    with pytest.raises(NotThereError, match="no target 'x'; the targets are audit, hook, spare"):
        await redrive(store, Redrive(to="x"), NOW, TARGETS)
    with pytest.raises(AskedWrongError, match="which targets there are is not known here"):
        await redrive(store, Redrive(to="hook"), NOW, None)


@pytest.mark.parametrize(
    "id_", ["", "x", "17", "17-", "-hook", "17-Hook", "17-hook--", "17-hook/../x", "²-hook"]
)
async def test_what_is_no_delivery_id(id_: str, store: Store) -> None:
    with pytest.raises(AskedWrongError, match="is no delivery id"):
        await show(store, id_)


async def test_deliveries_that_are_not_there(store: Store) -> None:
    (sequence,) = await store.append([routed(0, "hook")])
    for id_ in ("17-hook", f"{sequence}-audit", f"{sequence}-hook--0123456789abcdef"):
        with pytest.raises(NotThereError, match=f"there is no delivery {id_}"):
            await show(store, id_)
        with pytest.raises(NotThereError):
            await drop(store, Drop(ids=(id_,)))


@pytest.mark.parametrize(
    "place",
    [Place(17, "hook"), Place(17, "a-hook-2"), Place(17, "a-hook", "0123456789abcdef"), Place(0, "1")],
)
async def test_ids_and_places(place: Place) -> None:
    assert place_of(id_of(place)) == place
