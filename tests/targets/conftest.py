"""What tests of targets share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from router.targets.network.connection import Connection
from router.targets.sender.plain import PlainSender
from router.targets.sender.reqwest import PyreqwestSender
from tests.disk import mounted
from tests.targets.senders import Closable, OpenSender, SenderKind


@pytest.fixture(params=[PlainSender, PyreqwestSender], ids=["plain", "pyreqwest"])
def sender_kind(request: pytest.FixtureRequest) -> SenderKind:
    """Each client that there is: whoever takes this, or `open_sender`, says what all of them must do."""
    kind: SenderKind = request.param
    return kind


@pytest.fixture
def open_sender(sender_kind: SenderKind) -> OpenSender:
    """As `router.targets.sender.open_sender`, for one client after the other."""

    @asynccontextmanager
    async def opened(user_agent: str, connection: Connection | None = None) -> AsyncIterator[Closable]:
        sender = sender_kind(user_agent, connection or Connection())
        try:
            yield sender
        finally:
            await sender.close()

    return opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk", "64k") as disk:
        yield disk


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of loopback that refuses connections: bound, so that nobody else gets it, and not listening."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
