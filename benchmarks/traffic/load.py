"""The load: as fast as a server delivers, or at a given rate."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import httptools

from benchmarks.traffic.board import Board
from benchmarks.traffic.events import request

CONNECTIONS = 256
"""How many are kept open. A server that answers when a request is on disk answers many at once: with a few
connections it waits for them, and it is the load that is measured."""

AHEAD = 1_000
"""How many events may be sent and not delivered: what goes in must come out, or it is no sustained rate."""

LIMIT = 60.0
"""Seconds that a window may take at most."""

_TICK = 0.001
_ACCEPTED = 202


class StalledError(Exception):
    """Not everything arrived in time."""


class Progress(Protocol):
    """Sees how much has arrived where events go."""

    def look(self) -> int:
        """How many events have arrived everywhere since this was made."""
        ...

    def arrival(self, number: int) -> int | None:
        """When an event arrived, nanoseconds of the monotonic clock; None where nobody knows."""
        ...


class Hooks:
    """At the receiver."""

    def __init__(self, board: Board, hooks: Sequence[int]) -> None:
        self._board = board
        self._hooks = hooks
        self._before = [board.count(hook) for hook in hooks]

    def look(self) -> int:
        """See `Progress.look`."""
        return min(
            self._board.count(hook) - before for hook, before in zip(self._hooks, self._before, strict=True)
        )

    def arrival(self, number: int) -> int | None:
        """See `Progress.arrival`: at the last of the hooks."""
        return self._board.arrival(self._hooks[-1], number)


class Lines:
    """In a file, a line for each event."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._lines = 0

    def look(self) -> int:
        """See `Progress.look`."""
        if self._path.exists() and self._path.stat().st_size > self._at:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            self._lines += new.count(b"\n")
        return self._lines

    def arrival(self, number: int) -> int | None:  # noqa: ARG002 -- the interface's
        """See `Progress.arrival`."""
        return None


@dataclass(slots=True)
class Sent:
    """What became of one load.

    Attributes:
        seconds: from the first request until everything had been answered and had arrived.
        accept: seconds from when a request was due to its answer.
        deliver: seconds from when an event was due to its arrival; empty where nobody knows.
    """

    seconds: float
    accept: list[float] = field(default_factory=list)
    deliver: list[float] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, answered: Callable[[_Connection, int], None], lost: Callable[[], None]) -> None:
        self.index = 0
        self._answered = answered
        self._lost = lost
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._answered(self, self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the interface's
        self._lost()


class Load:
    """Sends requests to one server, and waits until all events in them have arrived.

    Args:
        port: the server's, on 127.0.0.1.
        progress: sees what arrives; None where the answer is all.
        first: the number of the first event; the following ones are those after it.
        count: how many events.
        batch: how many of them stand in one request.
        rate: how many a second; None for as fast as they are delivered.
        ahead: see `AHEAD`.
    """

    def __init__(
        self,
        port: int,
        progress: Progress | None,
        *,
        first: int,
        count: int,
        batch: int = 1,
        rate: float | None = None,
        ahead: int = AHEAD,
    ) -> None:
        self._port = port
        self._progress = progress
        self._first = first
        self._requests = -(-count // batch)
        self._batch = batch
        self._rate = rate
        self._ahead = ahead
        self._idle: deque[_Connection] = deque()
        self._due: list[float] = []
        self._accept: list[float] = []
        self._failure = ""
        self._over = False
        self._sent = self._arrived = 0

    async def run(self) -> Sent:
        """Send all of it.

        Raises:
            StalledError: something was refused, or has not arrived in time.
        """
        loop = asyncio.get_running_loop()
        opened: list[asyncio.Transport] = []
        try:
            try:
                for _ in range(CONNECTIONS):
                    transport, connection = await loop.create_connection(
                        lambda: _Connection(self._answered, self._lost), "127.0.0.1", self._port
                    )
                    opened.append(transport)
                    self._idle.append(connection)
            except OSError as error:
                raise StalledError(f"cannot connect: {error}") from error
            began = time.monotonic()
            await self._drive(began)
        finally:
            self._over = True
            for transport in opened:
                transport.abort()
            await asyncio.sleep(0)  # that is when their sockets are closed
        return Sent(time.monotonic() - began, self._accept, self._deliveries())

    async def _drive(self, began: float) -> None:
        while len(self._accept) < self._requests or self._arrived < self._requests * self._batch:
            now = time.monotonic()
            if self._failure or now > began + LIMIT:
                raise StalledError(
                    f"{self._failure or 'it takes too long'}: {self._sent} requests of {self._batch} sent, "
                    f"{len(self._accept)} answered, {self._arrived} events arrived after {now - began:.1f} s"
                )
            self._look()
            if self._rate is not None:
                due = int((now - began) * self._rate / self._batch) + 1
                while len(self._due) < min(due, self._requests):
                    self._due.append(began + len(self._due) * self._batch / self._rate)
            while self._idle and self._may_send():
                self._send(self._idle.popleft())
            await asyncio.sleep(_TICK)

    def _look(self) -> None:
        answered = len(self._accept) * self._batch
        self._arrived = answered if self._progress is None else self._progress.look()

    def _may_send(self) -> bool:
        if self._rate is not None:
            return self._sent < len(self._due)
        return self._sent < self._requests and (self._sent + 1) * self._batch - self._arrived <= self._ahead

    def _send(self, connection: _Connection) -> None:
        if self._rate is None:
            self._due.append(time.monotonic())
        connection.index = self._sent
        connection.transport.write(request(self._first + self._sent * self._batch, self._batch))
        self._sent += 1

    def _answered(self, connection: _Connection, status: int) -> None:
        if status != _ACCEPTED:
            self._failure = f"answered {status}"
        self._accept.append(time.monotonic() - self._due[connection.index])
        if self._may_send():
            self._send(connection)
        else:
            self._idle.append(connection)

    def _lost(self) -> None:
        if not self._over:
            self._failure = "a connection was closed"

    def _deliveries(self) -> list[float]:
        """How long each event was under way.

        Raises:
            StalledError: one has not arrived, and another one twice.
        """
        found = []
        for place in range(self._requests * self._batch if self._progress else 0):
            due = self._due[place // self._batch]
            arrival = self._progress.arrival(self._first + place) if self._progress else None
            if arrival is not None:
                found.append(arrival / 1e9 - due)
        if found and min(found) < 0:
            raise StalledError("an event is missing, and another one arrived twice")
        return found
