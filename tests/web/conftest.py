"""What tests of the web share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.running import Running
from tests.web.stepped import Stepped


@pytest.fixture(params=[True, False], ids=["direct", "asgi"])
def direct(request: pytest.FixtureRequest) -> bool:
    """Which way requests go: what holds for one holds for the other."""
    return bool(request.param)


@pytest.fixture
def running(tmp_path: Path, *, direct: bool) -> Iterator[Running]:
    """Real doors behind a real server, with the limits it has in use."""
    with Running(tmp_path, direct=direct) as running:
        yield running


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stepped, Stepped]]:
    """The same router twice; one of them knows no direct way: it parses everything."""
    folders = (tmp_path_factory.mktemp(way) for way in ("direct", "asgi"))
    with (
        Stepped(next(folders), body=200) as direct,
        Stepped(next(folders), body=200, direct=False) as asgi,
    ):
        yield direct, asgi
