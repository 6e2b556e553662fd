"""What the tests of the SQLite store start from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store.sqlite import SqliteStore
from tests.store.support import FakeClock, Open


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def opened(clock: FakeClock) -> AsyncIterator[Open]:
    """Opens the store in a folder; it is closed when the test ends."""
    async with contextlib.AsyncExitStack() as stack:

        def open_store(folder: Path) -> SqliteStore:
            store = SqliteStore(folder, clock)
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture
async def store(opened: Open, folder: Path) -> SqliteStore:
    return opened(folder)
