"""Opens senders: one client for http without a proxy, another for all else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from router.targets.network.connection import Connection
from router.targets.sender.base import PromptSender, Reply, Sender
from router.targets.sender.plain import PlainSender
from router.targets.sender.reqwest import PyreqwestSender

_PLAIN = "http://"


class _ByScheme:
    """`Sender` that leaves it to one of two."""

    def __init__(self, plain: PromptSender, other: Sender) -> None:
        self._plain = plain
        self._other = other
        self.reply = plain.reply

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Coroutine[Any, Any, Reply]:
        """See `Sender.send`."""
        # What does not begin so may be http yet (`HTTP://`): the other client can do that, too.
        sender = self._plain if url.startswith(_PLAIN) else self._other
        return sender.send(method, url, headers, body, seconds)

    def is_ready(self, url: str) -> bool:
        """See `PromptSender.is_ready`."""
        return url.startswith(_PLAIN) and self._plain.is_ready(url)

    def begin(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """See `PromptSender.begin`."""
        return url.startswith(_PLAIN) and self._plain.begin(method, url, headers, body, seconds, done)


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
    connection = connection or Connection()
    async with AsyncExitStack() as stack:
        sender: Sender
        sender = other = PyreqwestSender(user_agent, connection, every_header=every_header)
        other.check()
        stack.push_async_callback(other.close)
        if connection.proxy is None:
            plain = PlainSender(user_agent, connection, every_header=every_header)
            stack.push_async_callback(plain.close)
            sender = _ByScheme(plain, other)
        yield sender
