"""What the tests of the SQLite store start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.support import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
