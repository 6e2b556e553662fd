"""uvicorn, set up as this router needs it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from router.clock import Clock, SystemClock
from router.errors import ConfigurationError
from router.web import taken
from router.web.app import Served
from router.web.limits import Limits
from router.web.parting import Shared
from router.web.protocol import Protocol

REQUEST_GRACE = 5
"""Seconds that requests under way may take to end when the server stops."""


class Server(uvicorn.Server):
    """A server that leaves signals alone: whoever runs it decides what they mean.

    Args:
        limits: what senders may ask of it.
        clock: for its log.
    """

    def __init__(self, app: ASGIApp, limits: Limits | None = None, clock: Clock | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app if isinstance(app, Served) else Served(app, {}),
                http=Protocol,
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=REQUEST_GRACE,
            )
        )
        self.server_state: Shared = Shared(limits or Limits(), clock or SystemClock())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and leave no connection behind."""
        await super().shutdown(sockets)
        for connection in [*self.server_state.leaving, *self.server_state.connections]:
            connection.transport.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConfigurationError: the address cannot be had; who has it, as far as that can be known.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.EADDRINUSE:
            why += taken.told(host, port)
        raise ConfigurationError(f"cannot listen on {_bracketed(host)}:{port}: {why}") from error
    with contextlib.closing(listening):
        yield listening


def url_of(listening: socket.socket) -> str:
    """The URL at which a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
