"""A real HTTPS server on loopback (hypercorn), in a thread of its own, that records what comes."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


@dataclass
class HttpsServer:
    """Answers 200 to everything.

    Attributes:
        versions: of HTTP, one for each request: `1.1` or `2`.
        bodies: of the requests.
        headers: of the requests, by lower-case name.
    """

    port: int
    versions: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.versions.append(scope["http_version"])
        self.bodies.append(body)
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-seen", b"yes")]})
        await send({"type": "http.response.body", "body": b"thanks"})


class _Config(Config):
    context: ssl.SSLContext

    def create_ssl_context(self) -> ssl.SSLContext:
        return self.context

    @property
    def ssl_enabled(self) -> bool:
        return True


@contextmanager
def https_server(context: ssl.SSLContext) -> Iterator[HttpsServer]:
    """Listens as long as the context is open.

    Args:
        context: with a certificate; its ALPN says which versions of HTTP are offered.
    """
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = HttpsServer(listening.getsockname()[1])
    config = _Config()
    config.context, config.errorlog, config.accesslog = context, None, None
    config.graceful_timeout = 0.1
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        loop.call_later(0, ready.set)
        while not stop.is_set():
            config.bind = [f"fd://{os.dup(listening.fileno())}"]
            with suppress(ssl.SSLError):  # what one client did that went away ends hypercorn for all of them
                await serve(server, config, shutdown_trigger=stop.wait)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="https")
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        listening.close()
