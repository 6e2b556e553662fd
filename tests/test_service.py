"""What the middle says of itself while its store fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.cli.deployment import load
from router.events import Event
from router.events.received import Reading, Received
from router.service import PAUSE
from router.store.base import Record, StoreError
from router.store.memory import MemoryStore
from tests.support import HandClock, service_of

RULES = """
rules:
  - {name: all, match: {type: "*"}, targets: [log]}
targets:
  log: {log: {}}
"""

pytestmark = pytest.mark.anyio


class Refusing(MemoryStore):
    """Takes nothing while it is told not to."""

    full = True

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        if self.full:
            raise StoreError("the disk is full")
        return await super().append(records)

    async def probe(self) -> None:
        if self.full:
            raise StoreError("the disk is full")


ONE = Received((Reading(Event(id="1", source="/tests", type="test.event")),))


async def test_it_complains_until_the_store_works_again_though_nobody_sends(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    store = Refusing(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    assert service.complaints() == []
    with pytest.raises(StoreError):
        await service.accept("events", ONE)
    async with anyio.create_task_group() as group:
        group.start_soon(service.watch)
        await anyio.wait_all_tasks_blocked()
        for _ in range(2):
            clock.advance(PAUSE)
            await anyio.wait_all_tasks_blocked()
            assert service.complaints() == ["the store cannot be written: the disk is full"]
        store.full = False
        with capture_logs() as lines:
            clock.advance(PAUSE)
            await anyio.wait_all_tasks_blocked()
        assert service.complaints() == []
        assert lines == [{"event": "store.recovered", "log_level": "info", "turned_away": 1}]
        group.cancel_scope.cancel()


async def test_what_is_stored_is_a_recovery_too(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    store = Refusing(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    with pytest.raises(StoreError):
        await service.accept("events", ONE)
    store.full = False
    await service.accept("events", ONE)
    assert service.complaints() == []
