from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import pytest

from router.cli.deployment import load
from router.delivery.notices import own
from router.events import Event
from router.operations import desk as desks
from router.operations.answers import ReplayState, ReplayTold
from router.operations.desk import Desk
from router.operations.errors import AskedWrongError, NotNowError, NotThereError
from router.operations.moments import moment
from router.operations.questions import ListQuery, ReplayQuery
from router.operations.replay import GROUP, MOST_PENDING
from router.operations.replays import AT_ONCE
from router.rules.model import Deployment
from router.store.base import Delivery, Record, Settlement, State, Store, Stored, StoreError, Tally
from router.store.memory import MemoryStore
from tests.operations.archive import at, routed
from tests.operations.replaying import NOW, RULES, House, orders
from tests.support import HandClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    (tmp_path / "router.yml").write_text(RULES)
    return load([tmp_path]).deployment


@pytest.fixture
async def house(store: Store, clock: HandClock, deployment: Deployment) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(store, clock, deployment, stack)


async def test_replayed_events_are_new_events_that_say_so(house: House) -> None:
    sequences = await orders(house, 3)
    desk = await house.desk()
    told = await house.through(desk, ReplayQuery(since=at(NOW), name="again"))
    assert (told.state, told.looked, told.replayed, told.deliveries) == (ReplayState.DONE, 3, 3, 3)
    assert told.reached == told.until
    made = await house.replayed()
    assert [record.event.extensions for record in made] == [
        {"replayname": "again", "replayof": str(sequence)} for sequence in sequences
    ]
    assert [record.event.data for record in made] == [b'{"n": 1.0, "id": %d}' % n for n in range(3)]
    assert {record.version for record in made} == {house.deployment.version}
    # Nobody takes them for a sender's second try.
    assert {record.fingerprint for record in made} == {b""}
    assert house.accepted == made
    assert min(record.received for record in made) >= NOW + 3


async def test_a_rule_can_leave_them_out(house: House) -> None:
    await orders(house, 2)
    await house.through(await house.desk(), ReplayQuery(since=at(NOW)))
    assert {route.target for record in await house.replayed() for route in record.routes} == {"audit"}


async def test_the_window(house: House) -> None:
    await orders(house, 5)
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW + 1), until=at(NOW + 3)))
    assert [record.event.id for record in await house.replayed()] == ["1", "2"]
    assert (told.since, told.until) == (at(NOW + 1), at(NOW + 3))


async def test_a_window_from_the_first_to_the_last_time(house: House) -> None:
    await orders(house, 2)
    query = msgspec.convert(
        {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}, ReplayQuery
    )
    told = await house.through(await house.desk(), query)
    assert (told.state, told.replayed) == (ReplayState.DONE, 2)
    assert msgspec.json.decode(msgspec.json.encode(told), type=ReplayTold) == told


async def test_one_rule_and_one_target(house: House) -> None:
    await house.store.append([routed(0, type_="order.late", received=NOW), routed(1, received=NOW)])
    house.clock.advance(1)
    desk = await house.desk()
    await house.through(desk, ReplayQuery(since=at(NOW), rule="late", target="hook", name="one"))
    (record,) = await house.replayed()
    assert [(route.target, route.rules) for route in record.routes] == [("hook", ("late",))]
    await house.through(desk, ReplayQuery(since=at(NOW), target="audit", name="two"))
    assert len(await house.replayed()) == 3


async def test_an_event_that_nobody_wants_today_is_not_stored_again(house: House) -> None:
    await house.store.append([routed(0, received=NOW)])
    house.clock.advance(1)
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW), rule="late"))
    assert (told.looked, told.replayed, told.deliveries) == (1, 0, 0)


async def test_what_a_replay_made_is_not_replayed_itself(house: House) -> None:
    await orders(house, 3)
    desk = await house.desk()
    await house.through(desk, ReplayQuery(since=at(NOW), name="one"))
    house.clock.advance(1)
    await house.through(desk, ReplayQuery(since=at(NOW), name="two"))
    names = [record.event.extensions["replayname"] for record in await house.replayed()]
    assert names == ["one"] * 3 + ["two"] * 3


async def test_what_a_sender_says_of_replays_counts_for_nothing(house: House) -> None:
    """Anybody may send the extensions; who has replayed an event stands in its notes."""
    record = routed(0, received=NOW)
    forged = {"replayname": "forged", "replayof": "1"}
    event = record.event.__class__(id="0", source="/x", type="order.new", extensions=dict(forged))
    await house.store.append([Record(event=event, source="events", received=NOW, version="v1")])
    house.clock.advance(1)
    await house.through(await house.desk(), ReplayQuery(since=at(NOW), name="real"))
    assert [one.event.extensions["replayname"] for one in await house.replayed()] == ["forged", "real"]


async def test_it_does_not_chase_its_own_tail(house: House) -> None:
    await orders(house, 1)
    soon = moment(house.clock.now() + 3600)
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW), until=soon))
    assert (told.looked, told.replayed) == (1, 1)


# -- beside live traffic ------------------------------------------------------------------------------------


async def test_it_waits_while_a_target_has_much_to_do(house: House) -> None:
    await orders(house, 5 * MOST_PENDING)
    desk = await house.desk()
    await desk.replay(ReplayQuery(since=at(NOW), name="storm"))
    told = await house.until(desk, "storm", lambda told: told.state is ReplayState.WAITING)
    assert told.reason == f"{MOST_PENDING} deliveries wait for the target audit already"
    assert told.replayed == MOST_PENDING
    pending = []
    while not (await desk.replay_named("storm")).state.is_end:
        claimed = await _claim_some(house.store)
        await house.store.settle([Settlement(delivery=one, state=State.DELIVERED) for one in claimed])
        pending.append((await house.store.tally()).get("audit", Tally()).pending)
        house.clock.advance(0.05)
        await anyio.sleep(0.001)
    assert (await desk.replay_named("storm")).replayed == 5 * MOST_PENDING
    assert max(pending) <= MOST_PENDING + GROUP


async def _claim_some(store: Store) -> Sequence[Delivery]:
    with anyio.move_on_after(0.01):
        return await store.claim("audit", 40)
    return ()


async def test_another_targets_backlog_does_not_concern_it(house: House) -> None:
    await house.store.append([routed(n, "hook", received=NOW - 1) for n in range(2 * MOST_PENDING)])
    await orders(house, 3)
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW), target="audit"))
    assert (told.state, told.replayed) == (ReplayState.DONE, 3)


async def test_its_rate(house: House) -> None:
    await orders(house, 40)
    desk = await house.desk()
    began = house.clock.now()
    await desk.replay(ReplayQuery(since=at(NOW), rate=20, name="slow"))
    done = []
    while not (told := await desk.replay_named("slow")).state.is_end:
        done.append((house.clock.now() - began, told.replayed))
        house.clock.advance(0.01)
        await anyio.sleep(0.001)
    assert all(count <= 20 * seconds + 2 for seconds, count in done)
    assert told.replayed == 40
    assert house.clock.now() - began >= 40 / 20 - 0.2


async def test_it_waits_while_senders_are_turned_away(house: House) -> None:
    await orders(house, 3)
    house.complaints.append("the store is full")
    desk = await house.desk()
    await desk.replay(ReplayQuery(since=at(NOW), name="patient"))
    told = await house.until(desk, "patient", lambda told: told.state is ReplayState.WAITING)
    assert (told.reason, told.replayed) == ("the store is full", 0)
    house.complaints.clear()
    told = await house.until(desk, "patient", lambda told: told.state.is_end)
    assert (told.state, told.reason, told.replayed) == (ReplayState.DONE, "", 3)


class Refusing(MemoryStore):
    """Takes nothing while it is told not to."""

    full = False

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        if self.full:
            raise StoreError("the disk is full")
        return await super().append(records)


async def test_a_store_that_refuses_is_tried_again(clock: HandClock, deployment: Deployment) -> None:
    store = Refusing(clock)
    async with AsyncExitStack() as stack:
        house = House(store, clock, deployment, stack)
        await orders(house, 3)
        store.full = True
        desk = await house.desk()
        await desk.replay(ReplayQuery(since=at(NOW), name="patient"))
        told = await house.until(desk, "patient", lambda told: told.state is ReplayState.WAITING)
        assert told.reason == "the disk is full"
        store.full = False
        told = await house.until(desk, "patient", lambda told: told.state.is_end)
        assert (told.state, told.replayed) == (ReplayState.DONE, 3)
        assert len(await house.replayed()) == 3


# -- stopping and going on ----------------------------------------------------------------------------------


async def test_it_can_be_stopped_and_gone_on_with(house: House) -> None:
    sequences = await house.store.append([routed(n, type_="order.new", received=NOW) for n in range(40)])
    house.clock.advance(1)
    desk = await house.desk()
    await desk.replay(ReplayQuery(since=at(NOW), rate=20, name="first"))
    await house.until(desk, "first", lambda told: told.replayed >= 10)
    told = await desk.stop_replay("first")
    assert (told.state, told.reason) == (ReplayState.STOPPED, "an operator stopped it")
    assert told.ended is not None
    await anyio.lowlevel.checkpoint()
    assert len(await house.replayed()) == told.replayed < 40
    assert (await desk.stop_replay("first")).ended == told.ended
    again = ReplayQuery(since=told.since, until=told.until, after=told.after, name="first")
    rest = await house.through(desk, again)
    made = [record.event.extensions["replayof"] for record in await house.replayed()]
    assert made == [str(sequence) for sequence in sequences]  # each once, though many came in one moment
    assert told.replayed + rest.replayed == 40


async def test_after_a_clock_was_set_back_none_is_left_out(house: House) -> None:
    times = [NOW, NOW + 3600, NOW + 1, NOW + 2, NOW + 3]
    await house.store.append([routed(n, received=when) for n, when in enumerate(times)])
    house.clock.advance(7200)
    desk = await house.desk()
    await desk.replay(ReplayQuery(since=at(NOW), rate=1, name="first"))
    told = await house.until(desk, "first", lambda told: told.replayed == 3)
    await desk.stop_replay("first")
    assert told.reached == at(NOW + 1)
    await house.through(desk, ReplayQuery(since=told.since, until=told.until, after=told.after))
    assert [record.event.id for record in await house.replayed()] == ["0", "1", "2", "3", "4"]


async def test_what_the_router_said_itself_asked_no_rule_and_asks_none_now(house: House) -> None:
    event = Event(id="1", source="/rule-router", type="rule-router.audit.checkpoint")
    await orders(house, 1)
    await house.store.append([own(event, "hook", house.deployment.version, NOW)])
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW), name="again"))
    assert (told.looked, told.replayed) == (2, 1)
    assert not any(record.event.type == event.type for record in await house.replayed())


async def test_it_has_never_reached_more_than_was_asked_for(house: House) -> None:
    times = [NOW, NOW + 1, NOW + 5, NOW + 3600]
    await house.store.append([routed(n, received=when) for n, when in enumerate(times)])
    house.clock.advance(7200)
    told = await house.through(await house.desk(), ReplayQuery(since=at(NOW), until=at(NOW + 2)))
    assert (told.looked, told.replayed, told.reached) == (4, 2, at(NOW + 2))


async def test_the_routers_end_ends_them(house: House) -> None:
    await orders(house, 40)
    async with Desk(house.store, house.clock, lambda: house.deployment, None) as desk:
        await desk.replay(ReplayQuery(since=at(NOW), rate=1, name="long"))
        desk.close()
        told = await desk.replay_named("long")
    assert (told.state, told.reason) == (ReplayState.STOPPED, "the router ended")


async def test_without_a_running_router_only_so_many_wait_for_the_next_start(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "OFFLINE", 2 * GROUP)
    await orders(house, 5 * GROUP)
    counted = await house.through(await house.desk(live=False), ReplayQuery(since=at(NOW), dry=True))
    assert (counted.state, counted.replayed) == (ReplayState.DONE, 5 * GROUP)
    told = await house.through(await house.desk(live=False), ReplayQuery(since=at(NOW)))
    assert counted.reason == told.reason  # whoever is asked knows it before
    assert (told.state, told.replayed) == (ReplayState.STOPPED, 2 * GROUP)
    assert told.reason == f"without a running router, {2 * GROUP} events go at a time"
    assert told.reached == at(NOW + 2 * GROUP - 1)
    assert len(await house.replayed()) == 2 * GROUP


class Broken(MemoryStore):
    """Its archive cannot be read."""

    def __init__(self, clock: HandClock, error: Exception) -> None:
        super().__init__(clock)
        self._error = error

    def scan(
        self, first: int = 0, last: int | None = None, missed: Callable[[float], None] | None = None
    ) -> AsyncIterator[Stored]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("a segment cannot be read"), "a segment cannot be read"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
    ],
)
async def test_a_broken_archive_is_told_and_ends_nothing_else(
    error: Exception, said: str, clock: HandClock, deployment: Deployment
) -> None:
    async with AsyncExitStack() as stack:
        house = House(Broken(clock, error), clock, deployment, stack)
        await orders(house, 3)
        told = await house.through(await house.desk(), ReplayQuery(since=at(NOW)))
    assert (told.state, told.reason) == (ReplayState.FAILED, said)


# -- asked wrongly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        (ReplayQuery(since=at(NOW), rule="oders"), NotThereError, "no rule 'oders'; did you mean 'orders'"),
        (ReplayQuery(since=at(NOW), target="x"), NotThereError, "no target 'x'; there is: audit, hook"),
        (ReplayQuery(since=at(NOW), name="Not a name"), AskedWrongError, "name: 'Not a name' is no name"),
        (ReplayQuery(since=at(NOW + 60)), AskedWrongError, "since must be before its until"),
        (ReplayQuery(since=at(NOW), until=at(NOW)), AskedWrongError, "since must be before its until"),
    ],
)
async def test_what_cannot_be_replayed(
    query: ReplayQuery, error: type[Exception], said: str, house: House
) -> None:
    house.clock.advance(1)
    with pytest.raises(error, match=said):
        await (await house.desk()).replay(query)


async def test_what_is_under_way_cannot_be_gone_on_with(house: House) -> None:
    await orders(house, 40)
    desk = await house.desk()
    told = await desk.replay(ReplayQuery(since=at(NOW), rate=20, name="first"))
    for after in (None, 0):
        with pytest.raises(NotNowError, match="the replay 'first' is under way; wait for it, or stop it"):
            await desk.replay(ReplayQuery(since=told.since, until=told.until, name="first", after=after))
    await desk.stop_replay("first")


async def test_names_are_used_once(house: House) -> None:
    house.clock.advance(1)
    desk = await house.desk()
    await house.through(desk, ReplayQuery(since=at(NOW), name="one"))
    with pytest.raises(NotNowError, match="there has been a replay 'one' already"):
        await desk.replay(ReplayQuery(since=at(NOW), name="one"))
    with pytest.raises(NotThereError, match="there is no replay 'two'"):
        await desk.replay_named("two")
    with pytest.raises(NotThereError):
        await desk.stop_replay("two")


async def test_so_many_at_once_and_no_more(house: House) -> None:
    await orders(house, 40)
    desk = await house.desk()
    for number in range(AT_ONCE):
        await desk.replay(ReplayQuery(since=at(NOW), rate=1, name=f"r{number}"))
    with pytest.raises(NotNowError, match=f"{AT_ONCE} replays are under way"):
        await desk.replay(ReplayQuery(since=at(NOW)))
    await desk.stop_replay("r0")
    await desk.replay(ReplayQuery(since=at(NOW), name="another"))
    listed: list[str] = []
    after: str | None = None
    while True:
        got = await desk.replays(ListQuery(after=after, most=2))
        listed += [told.name for told in got.replays]
        if (after := got.next) is None:
            break
    assert listed == ["r0", "r1", "r2", "r3", "another"]
    assert (await desk.replays(ListQuery(after="another"))).replays == ()
    with pytest.raises(NotThereError):
        await desk.replays(ListQuery(after="nobody"))


async def test_without_rules_there_is_no_replay(store: Store, clock: HandClock) -> None:
    async with Desk(store, clock, lambda: None, None) as desk:
        clock.advance(1)
        with pytest.raises(AskedWrongError, match="name the deployment's folder"):
            await desk.replay(ReplayQuery(since=moment(clock.now()) - timedelta(seconds=1)))
