"""Whom the client for plain HTTP sends to: real sockets, with any manners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from router.targets.network.connection import Connection
from router.targets.sender import Reply, SendError
from router.targets.sender.plain import PlainSender

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nno"
SENT = Reply(200, {}, b"ok")


class Peer:
    """Whoever is sent to.

    Attributes:
        requests: the connection (1 is the first) and the body of each, as they came.
        connections: how many came about.
        gone: how many of them the client has closed.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[int, bytes]] = []
        self.connections = 0
        self.gone = 0
        self._changed = anyio.Condition()

    async def note(self, *, gone: bool = False, request: tuple[int, bytes] | None = None) -> None:
        async with self._changed:
            self.gone += gone
            self.requests += [request] if request else []
            self._changed.notify_all()

    async def until(self, *, requests: int = 0, gone: int = 0) -> None:
        """Wait for so many."""
        with anyio.fail_after(10):
            async with self._changed:
                while len(self.requests) < requests or self.gone < gone:
                    await self._changed.wait()


class Talk:
    """One connection, as the peer sees it."""

    def __init__(
        self, peer: Peer, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self._peer = peer

    async def hear(self) -> None:
        """The next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self._peer.note(request=(self.number, await self.reader.readexactly(length)))

    async def say(self, *packets: bytes) -> None:
        """Send these, one after the other."""
        for packet in packets:
            if self.writer.transport.is_closing():
                raise ConnectionResetError
            self.writer.write(packet)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed it."""
        while await self.reader.read(2**16):
            pass
        await self._peer.note(gone=True)


Manners = Callable[[Talk], Awaitable[None]]


@asynccontextmanager
async def talking(manners: Manners) -> AsyncIterator[tuple[PlainSender, Peer]]:
    """A peer with these manners, and a sender; a connection ends with the manners."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.connections += 1
        try:
            await manners(Talk(peer, peer.connections, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            await peer.note(gone=True)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    sender = PlainSender("tests", Connection())
    try:
        yield sender, peer
    finally:
        with anyio.move_on_after(5):
            await sender.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def send(
    sender: PlainSender, peer: Peer, body: bytes = b"x", seconds: float = 10.0, method: str = "POST"
) -> Reply:
    return await sender.send(method, f"http://127.0.0.1:{peer.port}/", {}, body, seconds)


async def fails(sender: PlainSender, peer: Peer, seconds: float = 10.0) -> str:
    with pytest.raises(SendError) as caught:
        await send(sender, peer, seconds=seconds)
    return caught.value.message.replace(str(peer.port), "PORT")


async def polite(talk: Talk) -> None:
    while True:
        await talk.hear()
        await talk.say(OK)
