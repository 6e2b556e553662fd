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
from router.store.intake import MOST, Answered, Intake
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


class Heard:
    """Hears what becomes of records."""

    def __init__(self) -> None:
        self.stored_ids: dict[int, str] = {}
        self.failures: list[tuple[str, list[str], int]] = []

    def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        self.stored_ids |= zip(sequences, (one.event.id for one in records), strict=True)

    def failed(self, error: Exception, records: Sequence[Record], requests: int) -> None:
        self.failures.append((str(error), [one.event.id for one in records], requests))


class Told:
    """What became of requests, in the order in which it was told."""

    def __init__(self, wanted: int) -> None:
        self.said: list[tuple[str, str | None]] = []
        self._wanted = wanted
        self.all = asyncio.Event()

    def by(self, name: str) -> Answered:
        def answered(error: Exception | None) -> None:
            self.said.append((name, None if error is None else str(error)))
            if len(self.said) == self._wanted:
                self.all.set()

        return answered


async def test_what_comes_together_is_one_group_and_its_listener_hears_of_it_first() -> None:
    store, heard, told = Watched(), Heard(), Told(2)
    intake = Intake(store, heard)
    known_then: list[int] = []

    def answered(error: Exception | None) -> None:
        known_then.append(len(heard.stored_ids))
        told.by("first")(error)

    intake.put(named("1", "2"), answered)
    intake.put(named("3"), told.by("second"))
    assert told.said == []
    await told.all.wait()
    assert store.groups == [["1", "2", "3"]]
    assert told.said == [("first", None), ("second", None)]
    assert known_then == [3]
    assert heard.stored_ids == {one.sequence: one.record.event.id async for one in store.scan()}


async def test_what_comes_while_a_group_is_written_is_the_next_group() -> None:
    gate = asyncio.Event()
    store = Watched(gate)
    intake, told = Intake(store, Heard()), Told(4)
    intake.put(named("1"), told.by("1"))
    await store.begun.wait()
    for name in ("2", "3", "4"):
        intake.put(named(name), told.by(name))
    gate.set()
    await told.all.wait()
    assert store.groups == [["1"], ["2", "3", "4"]]
    assert told.said == [(name, None) for name in "1234"]


async def test_whoever_waits_for_each_answer_never_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.intake.PACE", 3_600.0)
    intake = Intake(Watched(), Heard())
    with anyio.fail_after(10):
        for number in range(20):
            told = Told(1)
            intake.put(named(str(number)), told.by("it"))
            await told.all.wait()


async def test_a_full_disk_is_told_to_every_request_of_the_group() -> None:
    heard, told = Heard(), Told(2)
    intake = Intake(Watched(), heard)
    intake.put(named("1", "2"), told.by("first"))
    intake.put(named("full"), told.by("second"))
    await told.all.wait()
    assert told.said == [("first", "the disk is full"), ("second", "the disk is full")]
    assert heard.failures == [("the disk is full", ["1", "2", "full"], 2)]


async def test_a_request_that_nobody_can_store_costs_the_others_nothing() -> None:
    store, heard, told = Watched(), Heard(), Told(3)
    intake = Intake(store, heard)
    for name in ("1", "fault", "3"):
        intake.put(named(name), told.by(name))
    await told.all.wait()
    assert told.said == [("1", None), ("fault", "a fault"), ("3", None)]
    assert list(heard.stored_ids.values()) == ["1", "3"]
    assert heard.failures == [("a fault", ["fault"], 1)]
    assert [one.record.event.id async for one in store.scan()] == ["1", "3"]


async def test_who_fails_to_take_its_answer_keeps_it_from_nobody() -> None:
    def broken(_error: Exception | None) -> None:
        raise ZeroDivisionError

    intake, told = Intake(Watched(), Heard()), Told(1)
    with capture_logs() as lines:
        intake.put(named("1"), broken)
        intake.put(named("2"), told.by("2"))
        await told.all.wait()
    assert told.said == [("2", None)]
    assert [line["event"] for line in lines] == ["store.untold"]


async def test_a_listener_that_fails_keeps_no_answer_from_anybody() -> None:
    class Broken(Heard):
        def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
            raise ZeroDivisionError

    intake, told = Intake(Watched(), Broken()), Told(2)
    with capture_logs() as lines:
        intake.put(named("1"), told.by("1"))
        intake.put(named("2"), told.by("2"))
        await told.all.wait()
    assert told.said == [("1", None), ("2", None)]
    assert [line["event"] for line in lines] == ["store.unheard"]


async def test_whoever_waits_for_a_group_goes_on_when_all_of_it_is_known() -> None:
    gate = asyncio.Event()
    store = Watched(gate)
    intake, told = Intake(store, Heard()), Told(2)
    group = intake.put(named("1"), told.by("1"))
    assert intake.put(named("fault"), told.by("2")) is group
    waiting = [asyncio.ensure_future(group.wait()) for _ in range(3)]
    await store.begun.wait()
    waiting[0].cancel()
    assert intake.put(named("3"), told.by("3")) is not group
    assert told.said == []
    gate.set()
    await asyncio.gather(*waiting[1:])
    assert told.said == [("1", None), ("2", "a fault")]
    await group.wait()  # long ended: at once


async def test_a_group_is_closed_when_it_is_large_enough() -> None:
    store = Watched()
    intake, told = Intake(store, Heard()), Told(3)
    for name in ("a", "b", "c"):
        intake.put(named(*(f"{name}{number}" for number in range(MOST - 1))), told.by(name))
    await told.all.wait()
    assert [len(group) for group in store.groups] == [2 * (MOST - 1), MOST - 1]
