"""A real forward proxy on loopback (RFC 9110, 9.3.6; RFC 9112, 3.2.2), for which every name is loopback."""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast
from urllib.parse import urlsplit


class Proxy(socketserver.ThreadingTCPServer):
    """Forwards what it is asked for.

    Attributes:
        asked: the request lines that came, in order.
        credentials: `user:password` that it wants; None for nobody's.
    """

    daemon_threads = True

    def __init__(self, credentials: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.credentials = credentials

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        proxy = cast("Proxy", self.server)
        line = self.rfile.readline().decode().strip()
        if not line:
            return
        proxy.asked.append(line)
        fields = []
        while field := self.rfile.readline().strip():
            fields.append(field)
        if proxy.credentials is not None:
            wanted = base64.b64encode(proxy.credentials.encode())
            if not any(field.lower() == b"proxy-authorization: basic " + wanted.lower() for field in fields):
                self.wfile.write(
                    b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
        method, where, version = line.split()
        parts = urlsplit(f"//{where}" if method == "CONNECT" else where)
        with socket.create_connection(("127.0.0.1", parts.port or 80)) as upstream:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Here You Are\r\n\r\n")
            else:
                head = [f"{method} {parts.path or '/'} {version}".encode(), *fields]
                upstream.sendall(b"\r\n".join([*head, b"", b""]))
            self._pump(upstream)

    def _pump(self, upstream: socket.socket) -> None:
        back = threading.Thread(target=_copy, args=(upstream.makefile("rb", 0), self.connection))
        back.start()
        _copy(cast("BinaryIO", self.rfile), upstream)
        back.join()


def _copy(source: BinaryIO, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := cast("bytes", source.read1(65536) if hasattr(source, "read1") else source.read(65536)):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(credentials: str | None = None) -> Iterator[Proxy]:
    """A proxy, as long as the context is open."""
    with Proxy(credentials) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), name="proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
