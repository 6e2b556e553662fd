"""Somebody is told of each dead letter, durably, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from router.delivery.notices import TYPE
from router.store.base import Settlement, State, StoreError
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Rejected, RetryLater
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
