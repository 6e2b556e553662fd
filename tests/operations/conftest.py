"""Operations are asked of every store that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store.base import Store
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from tests.support import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = (
        MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "store", clock)
    )
    yield opened
    await opened.close()
