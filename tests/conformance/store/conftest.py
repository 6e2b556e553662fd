"""Every store that must keep the contract of `router.store.base.Store`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from router.store.base import Store
from router.store.ledger import Limits
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from tests.store.support import FakeClock

SMALL = Limits(bytes=200_000)
"""So that events stand in several segments."""

Make = Callable[[FakeClock], Store]
"""Opens another store, empty, closed when the test ends."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    folders = (tmp_path / str(number) for number in range(100))
    async with AsyncExitStack() as stack:

        def opened(clock: FakeClock) -> Store:
            store: Store = (
                MemoryStore(clock) if request.param == "memory" else SqliteStore(next(folders), clock, SMALL)
            )
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
async def store(make: Make, clock: FakeClock) -> Store:
    return make(clock)
