"""A router's HTTP side whose loop turns only when a test says so: what is sent arrives cut as it was sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import uvloop

from router.store.base import Record
from router.store.memory import MemoryStore
from tests.support import HandClock
from tests.web.running import Running

T = TypeVar("T")

_TURNS = 10
"""So many turns of the loop after which what was sent has been read, and what can be done at once is done."""


class HeldStore(MemoryStore):
    """A store whose disk does nothing before a test says so."""

    def __init__(self) -> None:
        super().__init__(HandClock())
        self.gate = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """See `Store.append`."""
        await self.gate.wait()
        return await super().append(records)


class Line:
    """A connection to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *packets: bytes) -> None:
        """Send these; each is read before the next one is sent."""
        for packet in packets:
            self._writer.write(packet)
            await turn()

    async def answer(self) -> bytes:
        """The next answer, byte for byte, but for the date."""
        async with asyncio.timeout(10):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
            body = await self._reader.readexactly(sum(lengths))
        return b"\r\n".join(line for line in lines if not line.startswith(b"date:")) + body

    async def statuses(self, count: int) -> list[int]:
        """Those of the next answers."""
        return [int((await self.answer()).split()[1]) for _ in range(count)]

    async def is_over(self) -> bool:
        """Whether nothing more is said, and the connection closed, sooner than one that is idle."""
        async with asyncio.timeout(4):
            return await self._reader.read() == b""

    async def leave(self) -> None:
        """Hang up, and have the other side hear it."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await turn()


async def turn() -> None:
    """Let the loop turn until everything that was sent has been read."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class Stepped(Running):
    """It."""

    def start(self) -> None:
        """Begin; nothing happens outside of `run`."""
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._lines: list[Line] = []
        serving = self.server.serve([self.listening])
        self._serving = self._runner.get_loop().create_task(serving)
        self.run(self._started)

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self.server.should_exit = True
        self.run(self._ended)
        self._runner.close()

    def run(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do this, and let the server run meanwhile."""

        async def acting() -> T:
            return await act()

        return self._runner.run(acting())

    async def call(self) -> Line:
        """A new connection."""
        line = Line(*await asyncio.open_connection(*self.address))
        self._lines.append(line)
        return line

    async def _started(self) -> None:
        while not self.server.started:
            await turn()

    async def _ended(self) -> None:
        async with asyncio.timeout(20):
            await self._serving
        for line in self._lines:
            await line.leave()
