"""What tests all over the tree share."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings

from tests.receiver import Receiver

PHASES = [
    phase for phase in Phase if phase is not Phase.explain
]  # it takes minutes, and tells little of texts
settings.register_profile("default", max_examples=100, deadline=None, phases=PHASES)
settings.register_profile(
    "thorough",
    max_examples=20_000,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)
"""Hypothesis profiles: `pytest` takes the first, `pytest --hypothesis-profile=thorough` the second."""


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Leave logging as other tests expect it: a command that runs in this process sets it up for itself."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A recording HTTP receiver on loopback; see `tests/receiver.py`."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def unused_port() -> int:
    """A port of loopback on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        return int(once.getsockname()[1])
