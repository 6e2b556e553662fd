"""What tests of operators' commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.operating import House
from tests.receiver import Receiver


@pytest.fixture(params=["running", "stopped"])
def house(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    """A deployment; each test sees its router running, and stopped."""
    made = House(tmp_path, receiver, running=request.param == "running")
    yield made
    made.end()


@pytest.fixture
def running_house(tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    """A deployment whose router runs."""
    made = House(tmp_path, receiver, running=True)
    yield made
    made.end()
