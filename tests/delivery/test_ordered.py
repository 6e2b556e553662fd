"""A target whose events go in the order of a key: real engine, real stores, failures, reloads, restarts."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import structlog

from router.config.expressions import compile_expression
from router.delivery import order
from router.delivery.engine import OrderBy, Way
from router.delivery.order import OnPoison
from router.delivery.retry import Policy
from router.events import Event
from router.store.base import Place, Record, Route, Settlement, State, Tally
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.house import House
from tests.support import ScriptedTarget

pytestmark = pytest.mark.anyio

BLOCK = OrderBy(compile_expression("data.key"))
PARK = OrderBy(compile_expression("data.key"), OnPoison.PARK)
SKIP = OrderBy(compile_expression("data.key"), OnPoison.SKIP)
PATIENT = Policy(attempts=10_000, first=0.001, most=0.001)


def arrival(number: int, key: str) -> Record:
    event = Event(id=f"{key}{number}", source="/tests", type="t", data=b'{"key": "%s"}' % key.encode())
    return Record(event=event, source="events", received=1.8e9, version="v1", routes=(Route("a"),))


def arrivals(keys: str) -> list[Record]:
    """An event for each letter; its id is the letter and how many of it there were."""
    return [arrival(keys[:index].count(key) + 1, key) for index, key in enumerate(keys)]


async def settle_down() -> None:
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


def names(target: ScriptedTarget) -> list[str]:
    return [message.event.id for message in target.seen]


class Picky(ScriptedTarget):
    """Refuses events by their ids, for ever or for now."""

    def __init__(self, *, concurrency: int = 4, batch: int = 1) -> None:
        super().__init__(self._judge, concurrency=concurrency, batch=batch)
        self.poison: set[str] = set()
        self.busy: set[str] = set()

    def _judge(self, message: Message) -> Outcome:
        if message.event.id in self.poison:
            return Rejected("no")
        return RetryLater("busy") if message.event.id in self.busy else Delivered()


class Gated(ScriptedTarget):
    """Answers when it is let."""

    go_on = anyio.Event()

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        outcomes = await super().deliver(messages)
        await self.go_on.wait()
        return outcomes


async def test_each_key_goes_in_order_whatever_fails_and_how_many_work() -> None:
    luck = random.Random(7)
    got: dict[str, list[int]] = defaultdict(list)

    class Flaky(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            for _ in range(luck.randrange(5)):
                await anyio.lowlevel.checkpoint()
            outcomes: list[Outcome] = []
            for message in messages:
                if luck.random() < 0.3:
                    outcomes.append(RetryLater("busy"))
                else:
                    got[message.event.id[0]].append(int(message.event.id[1:]))
                    outcomes.append(Delivered())
            return outcomes

    keys = "".join(luck.choices("uvwxyz", k=300))
    house = House({"a": Flaky(concurrency=16, batch=3)}, PATIENT, order=BLOCK)
    async with house.running():
        await house.store.append(arrivals(keys)[:100])
        await settle_down()
        await house.store.append(arrivals(keys)[100:])
        while (await house.store.tally()) != {}:
            house.clock.advance(0.5)
            await settle_down()
    assert dict(got) == {key: list(range(1, keys.count(key) + 1)) for key in "uvwxyz"}


async def test_no_two_of_a_key_are_in_one_batch() -> None:
    batches: list[list[str]] = []

    class Batching(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            batches.append([message.event.id for message in messages])
            return await super().deliver(messages)

    target = Batching(batch=10)
    house = House({"a": target}, order=BLOCK)
    await house.store.append(arrivals("xxyxz"))
    async with house.running():
        await house.watcher.wait_for(5)
    assert batches == [["x1", "y1", "z1"], ["x2"], ["x3"]]


async def test_what_has_no_key_and_what_cannot_be_asked_for_one_goes_at_once() -> None:
    for expression in ("data.nothing", "length(data.key.x)"):
        target = Gated(concurrency=3)
        target.go_on = anyio.Event()
        house = House({"a": target}, order=OrderBy(compile_expression(expression)))
        await house.store.append(arrivals("xxx"))
        async with house.running():
            await target.wait_for(3)
            target.go_on.set()
            await house.watcher.wait_for(3)


async def test_the_next_goes_when_the_one_before_is_on_disk() -> None:
    class Slow(MemoryStore):
        go_on = anyio.Event()

        async def settle(self, settlements: Sequence[Settlement]) -> None:
            if settlements:
                await self.go_on.wait()
            await super().settle(settlements)

    clock = JumpingClock()
    store = Slow(clock)
    target = ScriptedTarget(concurrency=4)
    async with House({"a": target}, store=store, clock=clock, order=BLOCK).running() as house:
        await store.append(arrivals("xx"))
        await target.wait_for(1)
        await anyio.wait_all_tasks_blocked()
        assert names(target) == ["x1"]
        store.go_on.set()
        await house.watcher.wait_for(2)


class TestPoison:
    async def test_a_dead_letter_blocks_its_key_and_no_other(self) -> None:
        target = Picky()
        target.poison = {"x1"}
        with structlog.testing.capture_logs() as said:
            async with House({"a": target}, order=BLOCK).running() as house:
                await house.store.append(arrivals("xxyxy"))
                await house.watcher.wait_for(3)
                house.clock.advance(1.1)
                await settle_down()
                assert sorted(names(target)) == ["x1", "y1", "y2"]
        assert [(line["target"], line["keys"]) for line in said if line["event"] == "target.blocked"] == [
            ("a", 1)
        ]

    @pytest.mark.parametrize("drop", [False, True])
    async def test_it_goes_on_when_the_dead_letter_is_delivered_or_dropped(self, drop: bool) -> None:
        target = Picky()
        target.poison = {"x1"}
        async with House({"a": target}, order=BLOCK).running() as house:
            first, *_ = await house.store.append(arrivals("xxx"))
            await house.watcher.wait_for(1)
            target.poison.clear()
            if drop:
                assert await house.store.cancel([Place(first, "a")]) == 1
            else:
                assert await house.store.redrive([Place(first, "a")], house.engine.now()) == 1
            house.clock.advance(1.1)
            await house.watcher.wait_for(3 if drop else 4)
        assert names(target) == ["x1", *([] if drop else ["x1"]), "x2", "x3"]

    async def test_a_retry_that_is_dropped_blocks_no_more(self) -> None:
        target = Picky()
        target.busy = {"x1"}
        async with House({"a": target}, order=BLOCK).running() as house:
            first, _ = await house.store.append(arrivals("xx"))
            await house.watcher.wait_for(1)
            await house.store.cancel([Place(first, "a")])
            for _ in range(10):
                house.clock.advance(1.1)
                await settle_down()
            await house.watcher.wait_for(2)
        assert names(target) == ["x1", "x2"]

    async def test_parked_ones_are_dead_letters_and_come_back_in_order(self) -> None:
        target = Picky()
        target.poison = {"x1"}
        async with House({"a": target}, order=PARK).running() as house:
            sequences = await house.store.append(arrivals("xxxy"))
            await house.watcher.wait_for(2)
            house.clock.advance(1.1)
            await house.watcher.wait_for(4)
            letters = await house.store.standing([State.DEAD])
            errors = [letter.delivery.attempts[-1].error or "" for letter in letters]
            assert errors[0] == "no"
            assert errors[1].startswith(f"parked: the event {sequences[0]} of the same key is a dead letter")
            assert sorted(names(target)) == ["x1", "y1"]
            target.poison.clear()
            places = [letter.delivery.place for letter in letters]
            await house.store.redrive(places, house.engine.now())
            await house.watcher.wait_for(7)
        assert [name for name in names(target) if name[0] == "x"] == ["x1", "x1", "x2", "x3"]

    async def test_what_is_redriven_before_its_turn_is_parked_again(self) -> None:
        target = Picky()
        target.poison = {"x1"}
        async with House({"a": target}, order=PARK).running() as house:
            sequences = await house.store.append(arrivals("xx"))
            await house.watcher.wait_for(1)
            house.clock.advance(1.1)
            await house.watcher.wait_for(2)
            await house.store.redrive([Place(sequences[1], "a")], house.engine.now())
            await settle_down()
            house.clock.advance(1.1)
            await house.watcher.wait_for(3)
        assert names(target) == ["x1"]
        assert await house.store.tally() == {"a": Tally(dead=2)}

    async def test_to_skip_is_to_go_on(self) -> None:
        target = Picky()
        target.poison = {"x1"}
        async with House({"a": target}, order=SKIP).running() as house:
            await house.store.append(arrivals("xxx"))
            await house.watcher.wait_for(3)
        assert names(target) == ["x1", "x2", "x3"]


async def test_beyond_so_many_in_hand_all_wait_but_what_they_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "MOST_IN_HAND", 5)
    monkeypatch.setattr("router.delivery.ordered.CHUNK", 1)
    target = Picky()
    target.busy = {"x1"}
    async with House({"a": target}, PATIENT, order=BLOCK).running() as house:
        await house.store.append(arrivals("x" * 20 + "y"))
        for _ in range(10):
            house.clock.advance(1.1)
            await settle_down()
        assert set(names(target)) == {"x1"}
        assert len(target.seen) > 1
        assert (await house.store.tally())["a"].pending == 20
        in_flight = await house.store.standing([State.IN_FLIGHT])
        assert len(in_flight) == 5
        target.busy.clear()
        house.clock.advance(1.1)
        await house.watcher.wait_for_delivered(21)
    assert [name for name in names(target) if name[0] == "x"][-20:] == [f"x{n}" for n in range(1, 21)]


@pytest.mark.parametrize("crash", [False, True])
async def test_another_life_keeps_the_order(crash: bool, tmp_path: Path) -> None:
    clock = JumpingClock()
    store = SqliteStore(tmp_path / "one", clock)
    target = Picky()
    target.busy = {"x1"}
    policy = Policy(attempts=100, first=60.0, most=60.0)
    async with House({"a": target}, policy, store, clock, order=BLOCK).running() as house:
        await store.append(arrivals("xxxy"))
        await house.watcher.wait_for(2)
        for _ in range(3):  # what waits for long is written down
            clock.advance(1.0)
            await anyio.wait_all_tasks_blocked()
        if crash:
            await anyio.to_thread.run_sync(shutil.copytree, tmp_path / "one", tmp_path / "two")
    await store.close()
    store = SqliteStore(tmp_path / ("two" if crash else "one"), clock)
    async with House({"a": target}, policy, store, clock, order=BLOCK).running() as house:
        await store.append([arrival(4, "x")])
        await anyio.wait_all_tasks_blocked()
        assert sorted(names(target)) == ["x1", "y1"]
        target.busy.clear()
        clock.advance(60.0)
        while await store.tally() != {}:
            clock.advance(1.0)
            await anyio.wait_all_tasks_blocked()
    assert [name for name in names(target) if name[0] == "x"] == ["x1", "x1", "x2", "x3", "x4"]
    assert await store.tally() == {}
    await store.close()


@pytest.mark.parametrize(("rule", "goes"), [(BLOCK, False), (PARK, False), (SKIP, True)])
async def test_a_dead_letter_of_an_earlier_life_counts(rule: OrderBy, goes: bool) -> None:
    clock = JumpingClock()
    store = MemoryStore(clock)
    target = Picky()
    target.poison = {"x1"}
    async with House({"a": target}, store=store, clock=clock, order=rule).running() as house:
        await store.append(arrivals("x"))
        await house.watcher.wait_for(1)
    async with House({"a": target}, store=store, clock=clock, order=rule).running() as house:
        await store.append([arrival(2, "x"), arrival(1, "y")])
        await house.watcher.wait_for_delivered(2 if goes else 1)
        await settle_down()
        assert ("x2" in names(target)) == goes


@pytest.mark.parametrize("ordered_before", [False, True])
async def test_a_reload_keeps_the_order(ordered_before: bool) -> None:
    old = Gated(concurrency=1)
    old.go_on = anyio.Event()
    new = ScriptedTarget(concurrency=4)
    house = House({"a": old}, order=BLOCK if ordered_before else None)
    async with house.running():
        await house.store.append(arrivals("xxxyy"))
        await old.wait_for(1)
        async with anyio.create_task_group() as group:
            group.start_soon(house.engine.reload, {"a": Way(new, PATIENT, 4, order=BLOCK)})
            await settle_down()
            assert new.seen == []  # x1 is still under way
            old.go_on.set()
        house.clock.advance(1.1)
        await house.watcher.wait_for_delivered(5)
        house.clock.advance(5.0)
        await settle_down()
    assert names(old) == ["x1"]
    assert [name for name in names(new) if name[0] == "x"] == ["x2", "x3"]
    assert [name for name in names(new) if name[0] == "y"] == ["y1", "y2"]
    assert await house.store.tally() == {}


@pytest.mark.parametrize(
    ("expression", "data"),
    [
        ("sum(data.v)", b'{"v": [%s, 1]}' % (b"9" * 4_300)),  # more digits than Python prints
        ("&data.v", b'{"v": 1}'),  # an expression is no value
        ("data.v", b"no JSON"),
        ("abs(data.v)", b'{"v": "text"}'),
    ],
)
def test_what_cannot_be_evaluated_is_no_key(expression: str, data: bytes) -> None:
    event = Event(id="1", source="/tests", type="t", data=data)
    assert OrderBy(compile_expression(expression)).of(event) is None
