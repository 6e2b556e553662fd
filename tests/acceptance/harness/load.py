"""Sends the oracle's events over keep-alive connections, one thread each, and tells it what was answered."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from tests.acceptance.harness.oracle import Oracle

SENDERS = 8
SIZES = (1, 1, 20, 1, 1, 60, 1, 100)
"""How many events each sender puts into a request."""

TIMEOUT = 30.0
ACCEPTED, BUSY = 202, 429


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


class Load:
    """A number of senders. They send what is `allow`ed while there is a router to send to.

    Attributes:
        when_sent: called, once, when a request is on its way and not answered yet.
        when_accepted: called, once, when one was answered with success.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.when_sent: Callable[[], None] | None = None
        self.when_accepted: Callable[[], None] | None = None
        self._oracle = oracle
        self._changed = threading.Condition()
        self._url = ""
        self._life = 0
        self._allowed = 0
        self._under_way = 0
        self._ended = False
        self._threads = [threading.Thread(target=self._run, args=(size,), daemon=True) for size in SIZES]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def point_at(self, url: str) -> None:
        """A router listens there now."""
        with self._changed:
            self._url, self._life = url, self._life + 1
            self._changed.notify_all()

    def allow(self, count: int) -> None:
        """Send so many more."""
        with self._changed:
            self._allowed = max(self._allowed, 0) + count
            self._changed.notify_all()

    def stop(self) -> None:
        """Send nothing more; return when nothing is under way any more."""
        with self._changed:
            self._allowed = 0
            assert self._changed.wait_for(lambda: not self._under_way, 2 * TIMEOUT), "a request does not end"

    def _run(self, size: int) -> None:
        life, connection = 0, None
        while (there := self._wait_for_a_router(life)) is not None:
            url, current = there
            try:
                if connection is not None and connection.is_over():
                    connection.close()
                    connection = None
                connection = connection or Connection(url)
                if numbers := self._begin(size):
                    self._exchange(connection, numbers)
            except OSError as error:
                if connection is not None:
                    connection.close()
                connection = None
                if isinstance(error, ConnectionRefusedError):
                    life = current  # it is dead: wait for the next one
        if connection is not None:
            connection.close()

    def _wait_for_a_router(self, life: int) -> tuple[str, int] | None:
        """One that came after this life, once something may be sent; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self._allowed > 0 and self._life > life))
            return None if self._ended else (self._url, self._life)

    def _begin(self, size: int) -> range:
        """The numbers to send; none where somebody else was faster."""
        with self._changed:
            if self._allowed <= 0:
                return range(0)
            self._allowed -= size
            self._under_way += 1
        return self._oracle.issue(size)

    def _exchange(self, connection: Connection, numbers: range) -> None:
        try:
            self._send(connection, numbers)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _send(self, connection: Connection, numbers: range) -> None:
        body, content_type = _request(self._oracle, numbers)
        connection.send(body, content_type)
        self._spring("when_sent")
        status = connection.status()
        if status == ACCEPTED:
            self._oracle.promise(numbers)
            self._spring("when_accepted")
        elif status == BUSY:
            self._oracle.refuse(numbers)
        else:
            self._oracle.complain("answers", f"events {numbers} were answered {status}")

    def _spring(self, name: str) -> None:
        with self._changed:
            trap = getattr(self, name)
            setattr(self, name, None)
        if trap is not None:
            trap()


def _request(oracle: Oracle, numbers: range) -> tuple[bytes, str]:
    envelopes = [oracle.envelope(number) for number in numbers]
    if len(envelopes) == 1:
        return envelopes[0], "application/cloudevents+json"
    return b"[" + b",".join(envelopes) + b"]", "application/cloudevents-batch+json"
