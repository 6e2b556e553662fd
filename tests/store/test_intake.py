"""Requests that come together are stored together, and none of them pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from router.events import Event
from router.store.base import Record, StoreError
from router.store.intake import MOST, Intake, Stored
from router.store.memory import MemoryStore
from tests.support import HandClock, record

pytestmark = pytest.mark.anyio


class Watched(MemoryStore):
    """Notes its groups; with a gate it commits nothing until that is set."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        super().__init__(HandClock())
        self.groups: list[list[str]] = []
        self.begun = asyncio.Event()
        self._gate = gate

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        self.groups.append([one.event.id for one in records])
        self.begun.set()
        if self._gate is not None:
            await self._gate.wait()
        if any(one.event.id == "full" for one in records):
            raise StoreError("the disk is full")
        if any(one.event.id == "fault" for one in records):
            raise RecursionError("a fault")
        return await super().append(records)


def named(*ids: str) -> list[Record]:
    return [msgspec.structs.replace(record(1), event=Event(id=id_, source="/a", type="t")) for id_ in ids]


class Told:
    """What became of requests, in the order in which it was told."""

    def __init__(self, wanted: int) -> None:
        self.said: list[tuple[str, int | str]] = []
        self._wanted = wanted
        self.all = asyncio.Event()

    def by(self, name: str) -> Stored:
        def stored(outcome: Sequence[int] | Exception) -> None:
            told = str(outcome) if isinstance(outcome, Exception) else len(outcome)
            self.said.append((name, told))
            if len(self.said) == self._wanted:
                self.all.set()

        return stored


async def test_what_comes_together_is_one_group_and_each_request_gets_its_own_sequences() -> None:
    store = Watched()
    intake = Intake(store)
    found: dict[str, Sequence[int] | Exception] = {}
    done = asyncio.Event()

    def stored(name: str) -> Stored:
        def note(outcome: Sequence[int] | Exception) -> None:
            found[name] = outcome
            if len(found) == 2:
                done.set()

        return note

    intake.put(named("1", "2"), stored("first"))
    intake.put(named("3"), stored("second"))
    assert found == {}
    await done.wait()
    assert store.groups == [["1", "2", "3"]]
    stored_ids = {one.sequence: one.record.event.id async for one in store.scan()}
    assert isinstance(found["first"], Sequence)
    assert isinstance(found["second"], Sequence)
    assert [stored_ids[sequence] for sequence in found["first"]] == ["1", "2"]
    assert [stored_ids[sequence] for sequence in found["second"]] == ["3"]


async def test_what_comes_while_a_group_is_written_is_the_next_group() -> None:
    gate = asyncio.Event()
    store = Watched(gate)
    intake, told = Intake(store), Told(4)
    intake.put(named("1"), told.by("1"))
    await store.begun.wait()
    for name in ("2", "3", "4"):
        intake.put(named(name), told.by(name))
    gate.set()
    await told.all.wait()
    assert store.groups == [["1"], ["2", "3", "4"]]
    assert told.said == [("1", 1), ("2", 1), ("3", 1), ("4", 1)]


async def test_whoever_waits_for_each_answer_never_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.intake.PACE", 3_600.0)
    intake = Intake(Watched())
    with anyio.fail_after(10):
        for number in range(20):
            told = Told(1)
            intake.put(named(str(number)), told.by("it"))
            await told.all.wait()


async def test_a_full_disk_is_told_to_every_request_of_the_group() -> None:
    intake, told = Intake(Watched()), Told(2)
    intake.put(named("1"), told.by("first"))
    intake.put(named("full"), told.by("second"))
    await told.all.wait()
    assert told.said == [("first", "the disk is full"), ("second", "the disk is full")]


async def test_a_request_that_nobody_can_store_costs_the_others_nothing() -> None:
    store = Watched()
    intake, told = Intake(store), Told(3)
    for name in ("1", "fault", "3"):
        intake.put(named(name), told.by(name))
    await told.all.wait()
    assert told.said == [("1", 1), ("fault", "a fault"), ("3", 1)]
    assert [one.record.event.id async for one in store.scan()] == ["1", "3"]


async def test_who_fails_to_take_its_answer_keeps_it_from_nobody() -> None:
    def broken(_outcome: Sequence[int] | Exception) -> None:
        raise ZeroDivisionError

    intake, told = Intake(Watched()), Told(1)
    with capture_logs() as lines:
        intake.put(named("1"), broken)
        intake.put(named("2"), told.by("2"))
        await told.all.wait()
    assert told.said == [("2", 1)]
    assert [line["event"] for line in lines] == ["store.untold"]


async def test_a_group_is_closed_when_it_is_large_enough() -> None:
    store = Watched()
    intake, told = Intake(store), Told(3)
    for name in ("a", "b", "c"):
        intake.put(named(*(f"{name}{number}" for number in range(MOST - 1))), told.by(name))
    await told.all.wait()
    assert [len(group) for group in store.groups] == [2 * (MOST - 1), MOST - 1]
