"""The store is kept within its bounds, and senders are turned away in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.store.base import Settlement, State
from router.store.sqlite import SqliteStore
from router.upkeep import PAUSE, Bounds, FullError, Upkeep
from tests.support import HandClock, record

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
WIDE = Bounds(within=3600.0, most=10**9, quota=10**9)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "data", HandClock(NOW))
    yield opened
    await opened.close()


async def test_there_is_room_until_the_quota_is_used_up(store: SqliteStore) -> None:
    weight = (await store.extent()).bytes
    upkeep = Upkeep(store, HandClock(NOW), Bounds(within=3600.0, most=10**9, quota=2 * weight))
    await upkeep.look()
    assert upkeep.complaint() is None
    upkeep.make_room(weight // 2, patient=True)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(FullError, match="quota"):
                upkeep.make_room(weight // 2, patient=True)
    assert [line["event"] for line in lines] == ["store.full"]


async def test_senders_who_do_not_come_again_have_a_reserve(store: SqliteStore) -> None:
    weight = (await store.extent()).bytes
    upkeep = Upkeep(store, HandClock(NOW), Bounds(within=3600.0, most=10**9, quota=20 * weight))
    await upkeep.look()
    upkeep.make_room(18 * weight, patient=True)
    with pytest.raises(FullError):
        upkeep.make_room(weight // 2, patient=True)
    upkeep.make_room(weight // 2, patient=False)
    with pytest.raises(FullError):
        upkeep.make_room(weight, patient=False)


async def test_a_raised_quota_makes_room_and_is_told(store: SqliteStore) -> None:
    upkeep = Upkeep(store, HandClock(NOW), Bounds(within=3600.0, most=10**9, quota=1000))
    await upkeep.look()
    assert "settings.quota" in (upkeep.complaint() or "")
    with pytest.raises(FullError):
        upkeep.make_room(1, patient=True)
    upkeep.bounds = WIDE
    with capture_logs() as lines:
        await upkeep.look()
        await upkeep.look()
    assert upkeep.complaint() is None
    assert [line["event"] for line in lines] == ["store.has_room"]
    upkeep.make_room(1, patient=True)


async def test_it_looks_again_and_again(store: SqliteStore) -> None:
    clock = HandClock(NOW)
    upkeep = Upkeep(store, clock, Bounds(within=3600.0, most=10**9, quota=1000))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(upkeep.run)
            for bounds, full in ((upkeep.bounds, True), (WIDE, False), (Bounds(3600.0, 1, 2), True)):
                upkeep.bounds = bounds
                clock.advance(PAUSE)
                while _turns_away(upkeep) != full:
                    await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()


def _turns_away(upkeep: Upkeep) -> bool:
    return upkeep.complaint() is not None


async def test_what_is_not_delivered_is_kept_whatever_its_age(tmp_path: Path) -> None:
    clock = HandClock(NOW)
    store = SqliteStore(tmp_path / "data", clock)
    await store.append([record(1, "a", received=NOW), record(2, received=NOW), record(3, "b", received=NOW)])
    (delivery,) = await store.claim("b", 1)
    await store.settle([Settlement(delivery=delivery, state=State.DELIVERED)])
    clock.advance(7200)
    await Upkeep(store, clock, WIDE).look()
    kept = [stored.record.event.id async for stored in store.scan()]
    assert "1" in kept
    await store.close()
