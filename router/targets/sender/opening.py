"""Opens senders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.targets.network.connection import Connection
from router.targets.sender.base import Sender
from router.targets.sender.reqwest import PyreqwestSender


@asynccontextmanager
async def open_sender(
    user_agent: str, connection: Connection | None = None, *, every_header: bool = False
) -> AsyncIterator[Sender]:
    """A sender with connection pools of its own.

    Args:
        user_agent: how it calls itself.
        connection: how it connects, and where to; anywhere if nobody says so.
        every_header: whether answers of success have their headers, too.

    Raises:
        ConfigurationError: nobody can connect like that.
    """
    sender = PyreqwestSender(user_agent, connection or Connection(), every_header=every_header)
    sender.check()
    try:
        yield sender
    finally:
        await sender.close()
