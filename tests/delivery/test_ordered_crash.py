"""A crash while one key is under way: the other keys go on where they were."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from router.config.expressions import compile_expression
from router.delivery.engine import OrderBy
from router.events import Event
from router.store.base import Record, Route, State
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, Outcome, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.house import POLICY, House
from tests.support import ScriptedTarget

pytestmark = pytest.mark.anyio

BY_KEY = OrderBy(compile_expression("data.key"))


def arrival(id_: str) -> Record:
    event = Event(id=id_, source="/tests", type="t", data=b'{"key": "%s"}' % id_[:1].encode())
    return Record(event=event, source="events", received=1.8e9, version="v1", routes=(Route("a"),))


def names(target: ScriptedTarget) -> list[str]:
    return [message.event.id for message in target.seen]


class SlowForOne(ScriptedTarget):
    """Says nothing about the key y."""

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        outcomes = await super().deliver(messages)
        if messages[0].event.id.startswith("y"):
            await anyio.sleep_forever()
        return outcomes


@pytest.mark.parametrize("last", [State.DELIVERED, State.RETRYING])
async def test_after_a_crash_nothing_comes_of_which_later_ones_of_its_key_have_come(
    last: State, tmp_path: Path
) -> None:
    def decide(message: Message) -> Outcome:
        waits = message.event.id == "x2" and last is State.RETRYING
        return RetryLater("busy") if waits else Delivered()

    clock = JumpingClock()
    store = SqliteStore(tmp_path / "one", clock)
    before = SlowForOne(decide, concurrency=2)
    async with House({"a": before}, POLICY, store, clock, order=BY_KEY).running(grace=0.0) as house:
        await store.append([arrival(id_) for id_ in ("y1", "x1", "x2")])
        await house.watcher.wait_for(2)
        await anyio.to_thread.run_sync(shutil.copytree, tmp_path / "one", tmp_path / "two")  # the crash
    await store.close()
    assert names(before) == ["y1", "x1", "x2"]
    clock.advance(60.0)
    store = SqliteStore(tmp_path / "two", clock)
    after = ScriptedTarget()
    async with House({"a": after}, POLICY, store, clock, order=BY_KEY).running() as house:
        await house.watcher.wait_for_delivered(1)
        await anyio.wait_all_tasks_blocked()
    await store.close()
    assert "x1" not in names(after)
