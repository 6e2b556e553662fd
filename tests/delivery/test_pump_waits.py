"""Who waits where a pump begins deliveries, and that nobody else has to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from router.delivery import settler as settler_module
from router.delivery.engine import Way
from router.store import claims
from router.store.base import Settlement, State
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, Outcome
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import settle_down
from tests.delivery.house import POLICY, House
from tests.delivery.prompting import Held
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio

GONE = "gone"


class Leaving(Held):
    """Nothing comes of what is answered with `GONE`."""

    def outcome(self, answer: object) -> Outcome | None:
        return None if answer == GONE else super().outcome(answer)  # type: ignore[arg-type]


class Slow(MemoryStore):
    """Writes down outcomes once a test lets it.

    Attributes:
        written: how many there were in each group that it was asked to write.
    """

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__(clock)
        self.gate = anyio.Event()
        self.written: list[int] = []

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self.written.append(len(settlements))
        await self.gate.wait()
        await super().settle(settlements)


async def test_who_ends_takes_no_news_from_who_follows() -> None:
    """What the old one has under way may take long; until then both look at one lane."""
    old, new = Held(concurrency=2), Held(concurrency=2)
    async with House({"a": old}).running() as house:
        await house.store.append([record(0, "a")])
        await old.wait_for(1)
        async with anyio.create_task_group() as group:
            group.start_soon(house.engine.reload, {"a": Way(new, POLICY, 2)})
            await settle_down()
            for number in range(1, 6):
                await house.store.append([record(number, "a")])
                await new.wait_for(number, within=2)
                new.answer()
                await settle_down()
            old.answer()
        await house.watcher.wait_for(6)


async def test_what_nothing_came_of_does_not_wait_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "MOST_WAITING", 1)
    clock = JumpingClock()
    store = Slow(clock)
    target, other = Leaving(concurrency=3), ScriptedTarget()
    async with House({"a": target, "b": other}, store=store, clock=clock).running() as house:
        await store.append([record(0, "a"), record(1, "a")])
        await target.wait_for(2)
        for number in (2, 3):  # one is being written, the next one waits: that is too much
            await store.append([record(number, "b")])
            await other.wait_for(number - 1)
            await settle_down()
        await store.append([record(4, "a")])
        await settle_down()
        assert sorted(target.begun) == ["0", "1"]
        target.answer(outcome=GONE)
        await settle_down()
        assert sorted(target.asked) == ["0", "1"]
        store.gate.set()
        await target.wait_for(5)
        target.answer()
        await house.watcher.wait_for(5)


async def test_what_stands_on_disk_waits_for_no_answer_to_what_was_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "IN_MEMORY", 2)
    clock = JumpingClock()
    store = SqliteStore(tmp_path, clock)
    target = Held(concurrency=5)
    target.gate = anyio.Event()
    async with House({"a": target}, store=store, clock=clock).running() as house:
        await store.append([record(number, "a") for number in range(9)])
        await target.wait_for(5, within=2)
        assert target.most == 5
        target.gate.set()
        while len(house.watcher.settlements) < 9:
            target.answer()
            await settle_down()
    await store.close()


async def test_who_is_needed_is_woken_together_with_the_others() -> None:
    """One after the other, each in a turn of the loop, the last of many would wait for long."""
    target = Held(concurrency=40)
    target.begins = lambda _: False
    async with House({"a": target}).running() as house:
        await settle_down()
        target.gate = anyio.Event()
        await house.store.append([record(number, "a") for number in range(40)])
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert len(target.asked) == 40
        target.gate.set()
        await house.watcher.wait_for(40)


async def test_nothing_is_written_where_nothing_came_of_anything() -> None:
    clock = JumpingClock()
    store = Slow(clock)
    store.gate.set()
    target = Leaving()
    target.gate = anyio.Event()
    async with House({"a": target}, store=store, clock=clock).running() as house:
        await store.append([record(0, "a")])
        await target.wait_for(1)
        target.answer(outcome=GONE)
        await target.wait_for(2)
        await settle_down()
        assert store.written == []
        target.gate.set()
        await house.watcher.wait_for(1)


@pytest.mark.parametrize("answer", [Delivered(200), GONE, ZeroDivisionError("as answer")], ids=repr)
async def test_an_answer_counts_though_the_target_says_that_it_did_not_begin(answer: object) -> None:
    """Else it would be made again, and its place would be free twice."""

    class Undecided(Leaving):
        def begin(self, message: Message, done: Callable[[object], None]) -> bool:
            if message.event.id == "0":
                done(answer)
                return False
            return super().begin(message, done)

    target = Undecided(concurrency=2)
    async with House({"a": target}).running() as house:
        await house.store.append([record(number, "a") for number in range(10)])
        while len(house.watcher.settlements) < 10:
            await settle_down()
            assert len(target.begun) <= 2
            target.answer()
    assert [one.delivery.event.id for one in house.watcher.settlements].count("0") == 1
    assert target.asked == (["0"] if answer == GONE else [])
    states = {one.delivery.event.id: one.state for one in house.watcher.settlements}
    assert states.pop("0") is (State.RETRYING if isinstance(answer, Exception) else State.DELIVERED)
    assert set(states.values()) == {State.DELIVERED}
