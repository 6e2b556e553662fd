"""What the tests of the SQLite store start from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store.ledger import LIMITS, Limits
from router.store.sqlite import SqliteStore
from tests.store.support import EPOCH, FakeClock, Open, OpenLimited, claim, dead, delivered, record, retrying


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def limited(clock: FakeClock) -> AsyncIterator[OpenLimited]:
    """Opens the store in a folder; it is closed when the test ends."""
    async with contextlib.AsyncExitStack() as stack:

        def open_store(folder: Path, limits: Limits) -> SqliteStore:
            store = SqliteStore(folder, clock, limits)
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture
def opened(limited: OpenLimited) -> Open:
    """Likewise, with segments as large as they are."""
    return lambda folder: limited(folder, LIMITS)


@pytest.fixture
async def store(opened: Open, folder: Path) -> SqliteStore:
    return opened(folder)


@pytest.fixture
async def left(store: SqliteStore, folder: Path) -> list[int]:
    """A store of 200 events for `a` and `b`: `a` has a dead letter, a retry and 10 delivered."""
    sequences = await store.append([record("a", "b", name=str(number)) for number in range(200)])
    one, two, *others = await claim(store, "a", 12)
    await store.settle([dead(one), retrying(two, EPOCH), *map(delivered, others)])
    await store.remember("v1", "text")
    await store.close()
    return list(sequences)
