"""Which watermarks a commit moves: those of what it settles, and every second those of idle targets."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from router.store.base import Route, StoreError, delivery_of
from router.store.lane import Lanes
from router.store.layout import create
from router.store.ledger import Database
from router.store.queries import DELIVERIES
from router.store.settling import SWEEP, Settling
from router.store.writer import GroupWriter
from tests.store.support import FakeClock, delivered, record, retrying

pytestmark = pytest.mark.anyio


class Desk:
    """Lanes, and who writes down what became of their deliveries."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.lanes = Lanes(head=0)
        self.clock = clock
        self.writer = GroupWriter(Database(path), "test")
        self.settling = Settling(self.lanes, self.writer, clock, {})
        self._path = path

    def hand_over(self, *targets: str) -> int:
        """The sequence of an event that goes to `targets`."""
        self.lanes.head += 1
        for target in targets:
            self.lanes[target].put(delivery_of(self.lanes.head, Route(target), record(target)))
        return self.lanes.head

    async def settle(self, *targets: str) -> None:
        """All that can be claimed for `targets`."""
        now = self.clock.now()
        await self.settling.settle(
            [delivered(one) for target in targets for one in self.lanes[target].take(100, now)]
        )

    def marks(self) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            return dict(database.execute(DELIVERIES["watermarks"]))

    async def decide(self) -> None:
        """An operator cancels the next of `b`, while what comes after it is delivered."""
        low, high = self.hand_over("b"), self.hand_over("b")
        self.lanes["b"].withhold({(low, "")})
        await self.settle("b")
        assert self.marks()["b"] == low - 1
        self.lanes["b"].decided({(low, "")})
        assert self.lanes.head == high


@pytest.fixture
async def desk(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Desk]:
    path = tmp_path / "deliveries.sqlite"
    create(path, DELIVERIES["schema"])
    desk = Desk(path, clock)
    desk.hand_over("a", "b")
    await desk.settle("a", "b")
    yield desk
    await anyio.to_thread.run_sync(desk.writer.close)


async def test_what_is_settled_moves_its_target_at_once(desk: Desk) -> None:
    for _ in range(3):
        last = desk.hand_over("a")
        await desk.settle("a")
        assert desk.marks()["a"] == last


async def test_an_idle_one_follows_in_a_second(desk: Desk) -> None:
    desk.hand_over("a")
    await desk.settle("a")
    assert desk.marks() == {"a": 2, "b": 1, "": 1}
    desk.clock.advance(SWEEP)
    desk.hand_over("a")
    await desk.settle("a")
    assert desk.marks() == {"a": 3, "b": 3, "": 3}


async def test_and_whenever_nothing_is_settled(desk: Desk) -> None:
    desk.hand_over("a")
    await desk.settle()
    assert desk.marks() == {"a": 1, "b": 2, "": 2}


async def test_one_that_an_operator_moves_follows_with_the_next_commit(desk: Desk) -> None:
    await desk.decide()
    desk.hand_over("a")
    await desk.settle("a")
    assert desk.marks()["b"] == desk.lanes.head


async def test_what_a_failed_commit_had_to_move_goes_with_the_next(desk: Desk) -> None:
    await desk.decide()
    desk.hand_over("a")
    (delivery,) = desk.lanes["a"].take(1, desk.clock.now())
    with pytest.raises(StoreError, match="NOT NULL"):
        await desk.settling.settle([retrying(delivery, due=math.nan)])  # SQLite knows no such number
    await desk.settling.settle([delivered(delivery)])
    assert desk.marks()["b"] == desk.lanes.head
