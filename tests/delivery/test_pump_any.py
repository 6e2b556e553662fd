"""Targets, stores and operators at random: every delivery is settled, and every place is free again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from structlog.testing import capture_logs

from router.delivery import settler as settler_module
from router.delivery.engine import Way
from router.delivery.retry import Policy
from router.store import claims
from router.store.base import Settlement, StoreError
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Cause, Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import settle_down
from tests.delivery.house import House, transformed
from tests.support import record

pytestmark = pytest.mark.anyio

POLICY = Policy(attempts=10**6, within=1e9, first=8.0, most=60.0)
GONE = "gone"
ANSWERS = [
    *[Delivered(200)] * 8,
    RetryLater("busy", 500),
    RetryLater("slow down", 429, after=5.0, cause=Cause.THROTTLED),
    RetryLater("expired", 401, cause=Cause.MISDIRECTED),
    Rejected("bad", 400),
    ZeroDivisionError("in the target"),
    GONE,
]


class Whimsical:
    """Answers whatever it likes, when a test says so, until it `is_well`.

    Attributes:
        most: how many deliveries were under way at most.
    """

    batch = 1
    is_prompt = True

    def __init__(self, chance: Random, concurrency: int) -> None:
        self.concurrency = concurrency
        self.is_well = False
        self.most = 0
        self._chance = chance
        self._begun: list[Callable[[object], None]] = []
        self._asked: list[anyio.Event] = []

    def begin(self, message: Message, done: Callable[[object], None]) -> bool:
        whim = 1.0 if self.is_well else self._chance.random()
        if whim < 0.05:
            raise ZeroDivisionError("in begin")
        if whim < 0.15:
            done(self._answer())
            return self._chance.random() < 0.7  # whatever it says, it has answered
        if self._chance.random() < 0.3:
            return False
        self._begun.append(done)
        self._note()
        return True

    def outcome(self, answer: Any) -> Outcome | None:
        return None if answer == GONE else answer

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        gate = anyio.Event()
        self._asked.append(gate)
        self._note()
        try:
            await gate.wait()
        finally:
            self._asked.remove(gate)
        answer: Any = self._answer()
        if isinstance(answer, Exception):
            raise answer
        return [Delivered(200) if answer == GONE else answer]

    def answer_some(self, share: float = 1.0) -> None:
        begun, self._begun = self._begun, []
        for done in begun:
            if self._chance.random() < share:
                done(self._answer())
            else:
                self._begun.append(done)
        for gate in self._asked:
            if self._chance.random() < share:
                gate.set()

    def _answer(self) -> object:
        return Delivered(200) if self.is_well else self._chance.choice(ANSWERS)

    @property
    def under_way(self) -> int:
        return len(self._begun) + len(self._asked)

    def _note(self) -> None:
        self.most = max(self.most, self.under_way)


class Moods:
    """What a store may refuse, or take its time for."""

    def __init__(self) -> None:
        self.refuses = False
        self._on = anyio.Event()
        self._on.set()

    def slow_down(self) -> None:
        if self._on.is_set():
            self._on = anyio.Event()
        else:
            self._on.set()

    def mend(self) -> None:
        self.refuses = False
        self._on.set()

    async def suffer(self) -> None:
        await self._on.wait()
        if self.refuses:
            raise StoreError("no")


class InMemory(MemoryStore):
    def __init__(self, clock: JumpingClock, moods: Moods) -> None:
        super().__init__(clock)
        self._moods = moods

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        await self._moods.suffer()
        await super().settle(settlements)


class OnDisk(SqliteStore):
    def __init__(self, folder: Path, clock: JumpingClock, moods: Moods) -> None:
        super().__init__(folder, clock)
        self._moods = moods

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        await self._moods.suffer()
        await super().settle(settlements)


@asynccontextmanager
async def store_of(chance: Random, folder: Path, clock: JumpingClock) -> AsyncIterator[tuple[Any, Moods]]:
    moods = Moods()
    if chance.random() < 0.5:
        yield InMemory(clock, moods), moods
        return
    store = OnDisk(folder, clock, moods)
    yield store, moods
    await store.close()


class Life:
    """A house in which anything may happen."""

    def __init__(self, chance: Random, house: House, moods: Moods) -> None:
        self.targets: list[Any] = [way.target for way in house.ways.values()]
        self._chance = chance
        self._house = house
        self._moods = moods
        self._ways = dict(house.ways)
        self._accepted = 0

    async def go_on(self, group: TaskGroup) -> None:
        """Let one thing happen."""
        chance = self._chance
        happening = chance.choice(["accept"] * 4 + ["answer"] * 4 + ["time", "refuse", "slow", "reload"])
        if happening == "accept":
            await self._accept(chance.randint(1, 12))
        elif happening == "answer":
            for target in self.targets:
                target.answer_some(chance.random())
        elif happening == "time":
            self._house.clock.advance(chance.choice([0.5, 1.0, 5.0, 70.0]))
        elif happening == "refuse":
            self._moods.refuses = not self._moods.refuses
        elif happening == "slow":
            self._moods.slow_down()
        else:
            target = Whimsical(chance, chance.choice([1, 2, 8]))
            self.targets.append(target)
            self._ways = {**self._ways, "a": Way(target, POLICY, target.concurrency)}
            group.start_soon(self._house.engine.reload, self._ways)
        await settle_down()

    async def end_well(self) -> None:
        """Let everything be delivered that there is."""
        self._moods.mend()
        for target in self.targets:
            target.is_well = True
        with anyio.fail_after(15):
            while any(one.pending or one.retrying for one in (await self._house.store.tally()).values()):
                for target in self.targets:
                    target.answer_some()
                await settle_down()
                self._house.clock.advance(1.0)

    async def take_all_places(self) -> None:
        """Wait until as much is under way as may be; a first delivery closes the breakers."""
        await self._house.store.append([record(10**6 - 1, "a", "b")])
        await self.end_well()
        await self._house.store.append([record(number, "a", "b") for number in range(10**6, 10**6 + 100)])
        with anyio.fail_after(5):
            while any(way.target.under_way < way.concurrency for way in self._ways.values()):  # type: ignore[attr-defined]
                await settle_down()

    async def _accept(self, count: int) -> None:
        numbers = range(self._accepted, self._accepted + count)
        self._accepted += count
        roads = [("a",), ("b",), ("a", "b")]
        await self._house.store.append(
            [
                transformed(number, "a")
                if self._chance.random() < 0.2
                else record(number, *self._chance.choice(roads))
                for number in numbers
            ]
        )


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_happens(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(seed)
    monkeypatch.setattr(claims, "IN_MEMORY", 20)
    monkeypatch.setattr(claims, "CHUNK", 7)
    monkeypatch.setattr(settler_module, "MOST_WAITING", chance.choice([2, 10, 5_000]))
    clock = JumpingClock()
    targets = {name: Whimsical(chance, chance.choice([1, 2, 3, 8, 40])) for name in "ab"}
    async with store_of(chance, tmp_path, clock) as (store, moods):
        house = House(targets, policy=POLICY, store=store, clock=clock)
        life = Life(chance, house, moods)
        # Failures of targets' code are told with all that was known there, which takes longer than all else.
        with capture_logs():
            async with house.running(), anyio.create_task_group() as group:
                for _ in range(chance.randint(5, 40)):
                    await life.go_on(group)
                await life.end_well()
                await life.take_all_places()
                await life.end_well()
    for target in life.targets:
        assert target.most <= target.concurrency
