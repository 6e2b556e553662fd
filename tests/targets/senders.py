"""What tests know of every client for HTTP, and how they send with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from router.targets.network.connection import Connection
from router.targets.sender import Reply, Sender
from tests.receiver import Answer, Receiver

AGENT = "rule-router/test"
HANGING_BODY = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")


class Closable(Sender, Protocol):
    """A sender without `open_sender` around it."""

    async def close(self) -> None: ...


class SenderKind(Protocol):
    """A class of senders."""

    def __call__(
        self,
        user_agent: str,
        connection: Connection,
        *,
        every_header: bool = ...,
        steady: Callable[[], float] = ...,
    ) -> Closable: ...


class OpenSender(Protocol):
    """As `router.targets.sender.open_sender`."""

    def __call__(
        self, user_agent: str, connection: Connection | None = None
    ) -> AbstractAsyncContextManager[Closable]: ...


async def post(sender: Sender, url: str, body: bytes = b"hello", seconds: float = 10.0) -> Reply:
    return await sender.send("POST", url, {"content-type": "text/plain"}, body, seconds)


async def send_one(
    open_sender: OpenSender, receiver: Receiver, *answers: Answer, seconds: float = 10.0
) -> Reply:
    receiver.script(*answers)
    async with open_sender(AGENT) as sender:
        return await post(sender, receiver.url, seconds=seconds)
