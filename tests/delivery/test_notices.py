"""Somebody is told of each dead letter, durably, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from router.delivery.notices import TYPE
from router.delivery.settler import PULSE
from router.store.base import Record, Settlement, State, StoreError
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.house import House
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio

FIELD = "no such field"


def refusing() -> ScriptedTarget:
    return ScriptedTarget(lambda _: Rejected(f"answered 422: {FIELD}", 422, b"no such field"))


async def test_a_dead_letter_is_told_with_what_a_person_needs_and_without_its_payload() -> None:
    chat, ops = refusing(), ScriptedTarget()
    async with House({"chat": chat, "ops": ops}, dead_letter="ops").running() as house:
        (sequence,) = await house.store.append([record(1, "chat")])
        (message,) = await ops.wait_for(1)
    event = message.event
    assert (event.type, event.source, event.subject) == (
        TYPE,
        "/rule-router/targets/chat",
        f"{sequence}-chat",
    )
    assert event.id == f"{sequence}-chat-1"
    assert json.loads(event.data or b"") == {
        "delivery": f"{sequence}-chat",
        "target": "chat",
        "rules": ["rule"],
        "error": f"answered 422: {FIELD}",
        "status": 422,
        "answer": FIELD,
        "attempts": 1,
        "event": {"id": "1", "source": "/tests", "type": "test.event"},
        "show": f"router dead show {sequence}-chat",
    }


async def test_what_is_delivered_or_tried_again_is_told_to_nobody() -> None:
    chat = ScriptedTarget(lambda one: RetryLater("busy") if one.event.id == "1" else Delivered())
    ops = ScriptedTarget()
    async with House({"chat": chat, "ops": ops}, dead_letter="ops").running() as house:
        await house.store.append([record(1, "chat"), record(2, "chat")])
        await house.watcher.wait_for(2)
        stored = [one.record.event.type async for one in house.store.scan()]
    assert (stored, ops.seen) == (["test.event", "test.event"], [])


async def test_a_notice_that_dies_is_told_to_nobody() -> None:
    async with House({"chat": refusing(), "ops": refusing()}, dead_letter="chat").running() as house:
        await house.store.append([record(1, "ops")])
        settlements = await house.watcher.wait_for(2)
        stored = [one.record.event.type async for one in house.store.scan()]
    assert [(one.delivery.target, one.state) for one in settlements] == [
        ("ops", State.DEAD),
        ("chat", State.DEAD),
    ]
    assert stored == ["test.event", TYPE]


class Refusing(MemoryStore):
    """Refuses to settle what died, once."""

    refused = False

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if not self.refused and any(one.state is State.DEAD for one in settlements):
            self.refused = True
            raise StoreError("the disk is full")
        await super().settle(settlements)


async def test_a_store_that_refuses_the_outcome_at_first_has_it_told_once() -> None:
    clock = JumpingClock()
    ops = ScriptedTarget()
    house = House({"chat": refusing(), "ops": ops}, store=Refusing(clock), clock=clock, dead_letter="ops")
    async with house.running():
        await house.store.append([record(1, "chat")])
        await ops.wait_for(1)
        clock.advance(2.0)
        await house.watcher.wait_for(2)
        stored = [one.record.event.type async for one in house.store.scan()]
    assert stored == ["test.event", TYPE]


async def test_a_notice_survives_a_restart(tmp_path: Path) -> None:
    ops = ScriptedTarget(lambda _: RetryLater("busy"))
    first = House(
        {"chat": refusing(), "ops": ops}, store=SqliteStore(tmp_path, JumpingClock()), dead_letter="ops"
    )
    async with first.running():
        await first.store.append([record(1, "chat")])
        await ops.wait_for(1)
        await first.watcher.wait_for(2)
    await first.store.close()
    ops = ScriptedTarget()
    clock = JumpingClock()
    second = House({"ops": ops}, store=SqliteStore(tmp_path, clock), clock=clock)
    async with second.running():
        clock.advance(100.0)
        (message,) = await ops.wait_for(1)
    await second.store.close()
    assert message.event.type == TYPE


class Full(MemoryStore):
    """Takes no notices while it is full, and settles all the same."""

    full = True

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        if self.full and any(one.event.type == TYPE for one in records):
            raise StoreError("no space for events")
        return await super().append(records)


async def test_notices_that_cannot_be_stored_keep_no_other_outcome_from_being_written() -> None:
    clock = JumpingClock()
    store = Full(clock)
    chat = ScriptedTarget(lambda one: Rejected(FIELD) if one.event.id == "7" else Delivered())
    ops = ScriptedTarget()
    house = House({"chat": chat, "ops": ops}, store=store, clock=clock, dead_letter="ops")
    async with house.running():
        await store.append([record(number, "chat") for number in range(20)])
        await house.watcher.wait_for_delivered(19)
        assert [one.delivery.event.id for one in house.watcher.settlements if one.state is State.DEAD] == []
        store.full = False
        clock.advance(PULSE)
        (message,) = await ops.wait_for(1)
        await house.watcher.wait_for(21)
    assert json.loads(message.event.data or b"")["event"]["id"] == "7"


@pytest.mark.parametrize("stays", [False, True], ids=["removed", "changed"])
async def test_what_dies_while_its_target_is_reloaded_is_told(*, stays: bool) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    class Slow(ScriptedTarget):
        async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
            begun.set()
            await go_on.wait()
            return await super().deliver(messages)

    ops = ScriptedTarget()
    house = House({"chat": Slow(lambda _: Rejected(FIELD)), "ops": ops}, dead_letter="ops")
    async with house.running():
        await house.store.append([record(1, "chat")])
        await begun.wait()
        ways = {"ops": house.ways["ops"]}
        async with anyio.create_task_group() as group:
            group.start_soon(house.engine.reload, ways)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        if stays:
            await house.engine.reload(house.ways)
        (message,) = await ops.wait_for(1)
    assert message.event.type == TYPE
