"""What tests of the web share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.running import Running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Real doors behind a real server, with the limits it has in use."""
    with Running(tmp_path) as running:
        yield running
