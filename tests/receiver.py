"""A real HTTP/1.1 receiver on loopback that records every request and answers as it is told.

It runs in a thread of its own, so it serves tests of any shape: plain, async, and those that
start the router as another process. Nothing in it sleeps; who waits, waits for a signal.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self, cast

import anyio.to_thread
import httptools


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came.

    Attributes:
        at: when its last byte came, seconds of the monotonic clock (the same for all processes).
        target: path and query as they stood in the request line.
        fields: header fields as they were written, in order.
        connection: 1 for the receiver's first connection.
    """

    at: float
    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    connection: int

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; the last of a repeated one."""
        return {name.decode("ascii").lower(): value.decode() for name, value in self.fields}


class Gate:
    """An answer with a closed gate is held back until somebody opens it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let the answer go. From any thread."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def wait(self) -> None:
        """Return once it is open."""
        await self._open.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver says to one request.

    Attributes:
        gate: hold the answer back until this opens (see `Receiver.gate`).
        raw: these bytes instead of a well-formed answer.
        then: what becomes of the connection afterwards; "reset" is a TCP RST.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    gate: Gate | None = None
    raw: bytes | None = None
    then: str = "keep"  # keep | close | reset

    def render(self) -> bytes:
        """The bytes on the wire."""
        if self.raw is not None:
            return self.raw
        known = self.status in HTTPStatus._value2member_map_
        phrase = HTTPStatus(self.status).phrase if known else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{k}: {v}" for k, v in self.headers.items())]
        if self.status >= HTTPStatus.OK and self.status not in {204, 304}:
            lines.append(f"content-length: {len(self.body)}")
        if self.then != "keep":
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


DROP = Answer(raw=b"", then="close")
"""No answer: the connection is closed."""

RESET = Answer(raw=b"", then="reset")
"""No answer: the connection is reset."""


class Receiver:
    """Records what comes; answers 200 unless told otherwise.

    Attributes:
        decide: what to answer when no scripted answer (`script`) is left. Runs in the receiver's thread.
        connections: how many were accepted.
        gone: how many of them are closed.
    """

    def __init__(self) -> None:
        self.decide: Callable[[Request], Answer] = lambda _: Answer()
        self.connections = 0
        self.gone = 0
        self._requests: list[Request] = []
        self._script: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._protocols: set[_Connection] = set()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The same after `stop` and `start`."""
        return self._port

    @property
    def requests(self) -> list[Request]:
        """All that came so far."""
        with self._changed:
            return list(self._requests)

    def start(self) -> None:
        """Listen; again on the port it had before."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """Refuse connections, and break those there are."""
        asyncio.run_coroutine_threadsafe(self._silence(), self._loop).result()

    def gate(self) -> Gate:
        """A closed gate for an `Answer`."""
        return Gate(self._loop)

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, in this order."""
        with self._changed:
            self._script.extend(answers)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Request]:
        """Block until `count` requests came in all; return them.

        Raises:
            TimeoutError: fewer came in time; says how many.
        """
        return self._until(lambda: len(self._requests) >= count, f"{count} requests", timeout)

    def wait_for_gone(self, count: int, timeout: float = 10.0) -> list[Request]:
        """Block until `count` connections are closed."""
        return self._until(lambda: self.gone >= count, f"{count} closed connections", timeout)

    async def arrived(self, count: int, timeout: float = 10.0) -> list[Request]:  # noqa: ASYNC109 -- as wait_for
        """As `wait_for`, for tests whose event loop must go on meanwhile."""
        return await anyio.to_thread.run_sync(self.wait_for, count, timeout, abandon_on_cancel=True)

    def _until(self, reached: Callable[[], bool], what: str, timeout: float) -> list[Request]:
        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise TimeoutError(
                    f"waited {timeout} s for {what}; {len(self._requests)} requests came, "
                    f"{self.gone} of {self.connections} connections are closed"
                )
            return list(self._requests)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, backlog=256
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _silence(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for protocol in list(self._protocols):
            protocol.abort()
        await asyncio.sleep(0)  # connection_lost is called in the loop's next round

    def opened(self, protocol: _Connection) -> int:
        """Count a new connection; its number."""
        with self._changed:
            self._protocols.add(protocol)
            self.connections += 1
            self._changed.notify_all()
            return self.connections

    def closed(self, protocol: _Connection) -> None:
        """Count a closed connection."""
        with self._changed:
            self._protocols.discard(protocol)
            self.gone += 1
            self._changed.notify_all()

    def take(self, request: Request) -> Answer:
        """Record a request and say what to answer."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
            scripted = self._script.popleft() if self._script else None
        return scripted if scripted is not None else self.decide(request)


class _Connection(asyncio.Protocol):
    """One connection: httptools reads, the receiver decides."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._number = self._receiver.opened(self)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, _: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()
        self._receiver.closed(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self._transport.close()

    def on_message_begin(self) -> None:
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        request = Request(
            at=time.monotonic(),
            method=self._parser.get_method().decode("ascii"),
            target=self._target.decode("ascii"),
            fields=tuple(self._fields),
            body=bytes(self._body),
            connection=self._number,
        )
        answer = self._receiver.take(request)
        if answer.gate is None:
            self._say(answer)
        else:
            task = asyncio.get_running_loop().create_task(self._say_later(answer, answer.gate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """Break the connection with a reset, as a machine that goes away."""
        sock = cast("socket.socket", self._transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def _say_later(self, answer: Answer, gate: Gate) -> None:
        await gate.wait()
        self._say(answer)

    def _say(self, answer: Answer) -> None:
        self._transport.write(answer.render())
        if answer.then == "reset":
            self.abort()
        elif answer.then == "close":
            self._transport.close()
