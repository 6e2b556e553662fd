"""Where events go: `python -m benchmarks.traffic.receiver SOCKET BOARD`, a process of its own.

POST /0 to /4 are answered with 204, and noted. /broken answers 500, and /hanging nothing, ever.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from benchmarks.traffic.board import HOOKS, Board, board
from benchmarks.traffic.events import NUMBER

_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
_BROKEN = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
_HOOKS = {b"/%d" % hook: hook for hook in range(HOOKS)}


class Receiver(asyncio.Protocol):
    """One connection; as little work for a request as Python allows."""

    def __init__(self, noted: Board) -> None:
        self._board = noted
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Another request begins."""
        self._url = url
        self._body = []

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        hook = _HOOKS.get(self._url)
        if hook is not None:
            numbers = NUMBER.findall(b"".join(self._body))
            self._board.note(hook, [int(number) for number in numbers], time.monotonic_ns())
            self._transport.write(_TAKEN)
        elif self._url == b"/broken":
            self._transport.write(_BROKEN)


async def receive(listening: socket.socket, noted: Board) -> None:
    """Receive until SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with await loop.create_server(lambda: Receiver(noted), sock=listening):
        await ended.wait()


if __name__ == "__main__":
    with board(Path(sys.argv[2])) as shared:
        uvloop.run(receive(socket.socket(fileno=int(sys.argv[1])), shared))
