"""Outcomes are written in groups: at once where nobody else comes, and not too often where many do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from router.delivery import settler as module
from router.delivery.settler import Settler
from router.store.base import Settlement, State, StoreError
from router.store.memory import MemoryStore
from tests.delivery.clock import JumpingClock
from tests.support import record

pytestmark = pytest.mark.anyio

LONG = 3_600.0


class Gated(MemoryStore):
    """Writes when a test says so, and remembers the groups.

    Attributes:
        problem: why it does not.
    """

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__(clock)
        self.groups: list[list[str]] = []
        self.gate = anyio.Event()
        self.problem = ""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if settlements:
            self.groups.append([one.delivery.event.id for one in settlements])
            await self.gate.wait()
            if self.problem:
                raise StoreError(self.problem)
        await super().settle(settlements)


class Desk:
    """A settler at work, and what it is given."""

    def __init__(self) -> None:
        self.clock = JumpingClock()
        self.store = Gated(self.clock)
        self.told: list[str] = []
        self.finished = anyio.Event()
        self.settler = Settler(self.store, self.clock, self._settled)

    def _settled(self, settlements: Sequence[Settlement]) -> None:
        self.told += [one.delivery.event.id for one in settlements]

    async def outcomes(self, *numbers: int) -> list[Settlement]:
        await self.store.append([record(number, "a") for number in numbers])
        return [
            Settlement(delivery=one, state=State.DELIVERED) for one in await self.store.claim("a", 10_000)
        ]

    async def add(self, *numbers: int, at_once: bool = False) -> None:
        self.settler.add(await self.outcomes(*numbers), at_once=at_once)
        await anyio.wait_all_tasks_blocked()

    async def busy(self) -> None:
        """A group is written, and another one waits for its time."""
        await self.add(1)
        await self.add(2)
        self.store.gate.set()
        await anyio.wait_all_tasks_blocked()
        assert self.store.groups == [["1"]]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(self.settler.run, self.finished)
                yield
                self.store.gate.set()
                self.finished.set()


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "PACE", LONG)
    return Desk()


async def test_what_comes_alone_is_written_at_once(desk: Desk) -> None:
    desk.store.gate.set()
    async with desk.running():
        for number in (1, 2, 3):
            await desk.add(number)
            assert desk.told[-1] == str(number)


async def test_what_comes_while_others_are_written_waits_for_more(desk: Desk) -> None:
    async with desk.running():
        await desk.busy()
        await desk.add(3, 4)
    assert desk.store.groups == [["1"], ["2", "3", "4"]]
    assert desk.told == ["1", "2", "3", "4"]


async def test_and_not_for_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", 0.01)
    async with desk.running():
        await desk.add(1)
        await desk.add(2)
        desk.store.gate.set()
        await desk.settler.flushed()
        assert desk.told == ["1", "2"]


@pytest.mark.parametrize("when", ["meanwhile", "then"])
async def test_somebody_waits_for_it(desk: Desk, when: str) -> None:
    async with desk.running():
        if when == "meanwhile":
            await desk.add(1)
            await desk.add(2, at_once=True)
            desk.store.gate.set()
            await anyio.wait_all_tasks_blocked()
        else:
            await desk.busy()
            await desk.add(3, at_once=True)
        assert len(desk.store.groups) == 2


async def test_the_end_comes_without_delay(desk: Desk) -> None:
    async with desk.running():
        await desk.busy()
    assert desk.told == ["1", "2"]


async def test_flushed_is_when_all_that_was_handed_in_is_written(desk: Desk) -> None:
    async with desk.running():
        await desk.settler.flushed()  # nothing was
        await desk.busy()
        await desk.settler.flushed()
        assert desk.told == ["1", "2"]


async def test_flushed_does_not_wait_for_a_store_that_refuses(desk: Desk) -> None:
    desk.store.problem = "full"
    desk.store.gate.set()
    async with desk.running():
        desk.settler.add(await desk.outcomes(1))
        await desk.settler.flushed()
        assert (desk.told, desk.settler.problem) == ([], "full")
        desk.store.problem = ""
        desk.clock.advance(1.0)
        await anyio.wait_all_tasks_blocked()
        assert (desk.told, desk.settler.problem) == (["1"], None)


async def test_a_store_that_refuses_is_told_of_once_a_minute_and_so_is_its_end(desk: Desk) -> None:
    desk.store.gate.set()
    async with desk.running():
        with capture_logs() as lines:
            desk.store.problem = "full"
            await desk.add(1, at_once=True)
            for _ in range(90):
                desk.clock.advance(1.0)
                await anyio.wait_all_tasks_blocked()
            desk.store.problem = ""
            for _ in range(3):
                desk.clock.advance(1.0)
                await anyio.wait_all_tasks_blocked()
        assert len(desk.store.groups) > 60
        assert lines == [
            {"event": "delivery.unwritten", "log_level": "error", "deliveries": 1, "error": "full"},
            {"event": "delivery.unwritten", "log_level": "error", "deliveries": 1, "error": "full"},
            {"event": "delivery.written", "log_level": "info", "deliveries": 1, "seconds": 91},
        ]


async def test_what_is_given_up_in_the_end_is_told_within_the_minute_too(desk: Desk) -> None:
    desk.store.gate.set()
    desk.store.problem = "full"
    with capture_logs() as lines:
        async with desk.running():
            await desk.add(1, at_once=True)
            await desk.add(2, 3)
    assert [line["event"] for line in lines] == ["delivery.unwritten"] * 3
    assert [line["deliveries"] for line in lines] == [1, 1, 2]


async def test_a_store_that_refuses_while_there_is_nothing_to_write_is_not_told_of(desk: Desk) -> None:
    class Refusing(Gated):
        async def settle(self, settlements: Sequence[Settlement]) -> None:
            raise StoreError("full")

    settler = Settler(Refusing(desk.clock), desk.clock, lambda _: None)
    finished = anyio.Event()
    with capture_logs() as lines:
        async with anyio.create_task_group() as group:
            group.start_soon(settler.run, finished)
            await anyio.wait_all_tasks_blocked()
            desk.clock.advance(1.0)
            await anyio.wait_all_tasks_blocked()
            assert settler.problem == "full"
            finished.set()
    assert lines == []


async def test_there_is_no_room_while_too_many_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    async with desk.running():
        await desk.add(1)
        await desk.add(2)
        assert not desk.settler.is_full
        await desk.add(3)
        assert desk.settler.is_full
        desk.store.gate.set()
        desk.settler.add((), at_once=True)
        await desk.settler.room()
        assert not desk.settler.is_full
