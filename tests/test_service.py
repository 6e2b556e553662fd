"""What the middle makes of requests, and says of itself while its store fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.cli.deployment import load
from router.events import Event
from router.events.received import Original, Reading, Received
from router.rules.model import Deployment
from router.service import CALM, PAUSE
from router.store.base import Record, Route, StoreError
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
            raise StoreError("the store cannot be written: the disk is full")
        return await super().append(records)

    async def probe(self) -> None:
        if self.full:
            raise StoreError("the store cannot be written: the disk is full")


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
    clock.advance(CALM)
    await service.accept("events", ONE)
    assert service.complaints() == []


async def test_what_is_stored_between_failures_is_none(tmp_path: Path) -> None:
    """On a full disk small groups still fit where large ones do not: nobody is told to and fro."""
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    store = Refusing(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    with capture_logs() as lines:
        for _ in range(3):
            store.full = True
            with pytest.raises(StoreError):
                await service.accept("events", ONE)
            store.full = False
            clock.advance(CALM / 2)
            await service.accept("events", ONE)
            assert service.complaints() == ["the store cannot be written: the disk is full"]
    assert [line["event"] for line in lines] == ["store.failing"]


ASKING = """
rules:
  - {name: all, match: {type: "*"}, targets: [log]}
  - {name: sizes, match: {type: "*"}, where: "abs(data.size) > `1`", targets: [log]}
  - {name: lists, match: {type: "*"}, where: "length(data.list) > `1`", targets: [log]}
targets:
  log: {log: {}}
"""


async def test_each_event_of_a_batch_has_its_own_notes_routes_and_original(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(ASKING)
    clock = HandClock()
    store = MemoryStore(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    payloads = [b'{"size": 2, "list": [1]}', b'{"size": "x", "list": 7}', b'{"size": 2, "list": 7}']
    events = [Event(id=str(n), source="/tests", type="t", data=data) for n, data in enumerate(payloads)]
    original = Original(b"all of it", "text/plain")
    beside = (Route("aside", "", ()),)
    done = anyio.Event()

    def answered(error: Exception | None) -> None:
        assert error is None
        done.set()

    with capture_logs() as lines:
        received = Received(tuple(Reading(event, ("lenient",)) for event in events), original)
        service.offer("events", received, answered, beside=beside)
        await done.wait()
    found = [stored.record async for stored in store.scan()]
    alone = [Deployment.route(load([tmp_path]).deployment, event) for event in events]
    assert [one.event for one in found] == events
    assert [one.routes for one in found] == [routes + beside for routes in alone]
    assert all(one.original is original and one.received == clock.now() for one in found)
    assert [one.notes for one in found] == [
        ("lenient",),
        ("lenient", "could-not-ask:sizes", "could-not-ask:lists"),
        ("lenient", "could-not-ask:lists"),
    ]
    failed = [(line["id"], line["rule"]) for line in lines if line["event"] == "rule.failed"]
    assert failed == [("1", "sizes"), ("1", "lists"), ("2", "lists")]


async def test_a_group_that_cannot_be_stored_counts_each_of_its_requests(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    store = Refusing(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    errors: list[Exception | None] = []
    with capture_logs() as lines:
        for _ in range(3):
            service.offer("events", ONE, errors.append)
        await anyio.wait_all_tasks_blocked()
        store.full = False
        clock.advance(CALM)
        await service.accept("events", ONE)
    assert [str(error) for error in errors] == ["the store cannot be written: the disk is full"] * 3
    assert [line["event"] for line in lines] == ["store.failing", "store.recovered"]
    assert lines[-1]["turned_away"] == 3
