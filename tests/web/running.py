"""A router's HTTP side on a real socket, in a thread; and raw connections to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from router.cli.deployment import load
from router.main import SOURCES
from router.rules.model import Deployment
from router.sources.base import Source
from router.store.base import Record, Store
from router.store.memory import MemoryStore
from router.web.app import Front, build
from router.web.body import Budget
from router.web.ingest import Ingest
from router.web.limits import Limits
from router.web.server import Server, listen
from tests.support import HandClock, service_of

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/tests", "ce-type": "test.event"}
"""The attributes of an event in binary mode: everything but its data."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came.

    Attributes:
        head: all that came before the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    head: bytes

    @property
    def error(self) -> str:
        """What is wrong, as a refusal says it."""
        told = json.loads(self.body)
        return str(told.get("error") or told.get("message") or told.get("Message"))


class Wire:
    """One raw connection; everything on it ends within 10 seconds, or the test fails."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, *packets: bytes) -> None:
        """Send these, one after the other."""
        for packet in packets:
            self._socket.sendall(packet)

    def reply(self, *, to_head: bool = False) -> Reply:
        """The next answer.

        Args:
            to_head: the request was a HEAD, so that no body follows.
        """
        lines = [self._stream.readline()]
        assert lines[0], "the connection was closed without an answer"
        while lines[-1].strip():
            lines.append(self._stream.readline())
        headers = {}
        for field in lines[1:-1]:
            name, _, value = field.decode().strip().partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if to_head else int(headers.get("content-length", 0))
        return Reply(int(lines[0].split()[1]), headers, self._stream.read(length), b"".join(lines))

    def is_over(self) -> bool:
        """Whether the router says nothing more and closes the connection."""
        return self._stream.read() == b""

    def leave(self) -> None:
        """Close the connection, whatever is under way."""
        self.__exit__()


class Running:
    """Doors for all sources behind a real server, and the store behind them.

    Args:
        direct: whether requests go the direct way, if they can.

    Attributes:
        front: the application.
        store: what the router holds.
        address: where it listens.
        listening: the socket there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        store: Store | None = None,
        sources: Mapping[str, Source] | None = None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        body: int = 1_000_000,
        direct: bool = True,
    ) -> None:
        (folder / "router.yml").write_text(RULES)
        self._clock = HandClock()
        self.store = store or MemoryStore(self._clock)
        doors = self._doors(load([folder]).deployment, sources or {}, budget or Budget(), body)
        self._ports = ExitStack()
        self.listening = self._ports.enter_context(listen("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listening.getsockname()
        self.front = Front(build(doors))
        self.server = Server(self.front if direct else _only_asgi(self.front), limits, self._clock)
        self.start()

    def _doors(
        self, deployment: Deployment, sources: Mapping[str, Source], budget: Budget, body: int
    ) -> dict[str, Ingest]:
        service = service_of(self.store, deployment, self._clock)
        doors = {}
        for kind, make in SOURCES.items():
            source = sources.get(kind) or make()
            for path in source.paths:
                doors[path] = Ingest(kind, source, service, self._clock, body, budget)
        return doors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._ports.close()

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=lambda: uvloop.run(self.server.serve([self.listening])))
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"

    def connect(self) -> Wire:
        """A new connection."""
        return Wire(self.address)

    def ask(self, *packets: bytes) -> Reply:
        """Send a request on a connection of its own; its answer."""
        with self.connect() as wire:
            wire.send(*packets)
            return wire.reply()

    def stored(self) -> Sequence[Record]:
        """What was stored so far."""

        async def scan() -> list[Record]:
            return [stored.record async for stored in self.store.scan()]

        return uvloop.run(scan())

    def data(self) -> list[Any]:
        """The data of the events stored so far."""
        return [record.event.data for record in self.stored()]


def _only_asgi(application: ASGIApp) -> ASGIApp:
    """The same, and nothing is to be seen of its doors."""

    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, send)

    return hidden


def head(
    method: str = "POST",
    target: str = "/events",
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """The head of a request."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def way_to(source: Source) -> tuple[str, dict[str, str]]:
    """The target of a request to the first of a source's paths, and the header field that it needs."""
    path, mark, name = source.paths[0].partition("!")
    return path, {name: "Unheard.Of"} if mark else {}


def binary(
    data: bytes = b'{"n": 1}', headers: Mapping[str, str] | None = None, *, version: str = "1.1"
) -> bytes:
    """A whole request that carries an event in binary mode."""
    fields = BINARY | {"content-type": "application/octet-stream", "content-length": str(len(data))}
    return head(headers=fields | dict(headers or {}), version=version) + data
