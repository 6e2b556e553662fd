"""A sender's connection to the router."""

from __future__ import annotations

import select
import socket
from urllib.parse import urlsplit

TIMEOUT = 30.0
"""Seconds within which the router says something."""


class Connection:
    """A keep-alive connection to the router."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT)
        self._file = self.socket.makefile("rb")

    def send(self, body: bytes, content_type: str, *fields: str) -> None:
        """One request."""
        self.socket.sendall(self.head(len(body), content_type, *fields) + body)

    def head(self, length: int, content_type: str, *fields: str) -> bytes:
        """Everything before the body."""
        lines = ["POST /events HTTP/1.1", f"host: {self._host}", f"content-type: {content_type}"]
        return "\r\n".join([*lines, f"content-length: {length}", *fields, "", ""]).encode()

    def status(self) -> int:
        """The answer's status, once all of it was read.

        Raises:
            ConnectionError: there was none.
        """
        first = self._file.readline()
        if not first.endswith(b"\r\n"):
            raise ConnectionResetError("the connection was closed")
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._file.read(length)
        return int(first.split()[1])

    def is_over(self) -> bool:
        """Whether the router has closed it: it lets go of idle ones."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
        self.socket.close()
