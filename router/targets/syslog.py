"""Lines to a syslog daemon: this machine's by its socket, another one's over UDP.

A local socket gets what syslog(3) writes there (RFC 3164, section 4.1, without a host); a daemon elsewhere
gets RFC 5424 in one datagram (RFC 5426).
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Literal, get_args

Facility = Literal[
    "user", "daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]

_CODES = dict(zip(get_args(Facility), (1, 3, *range(16, 24)), strict=True))
"""RFC 5424, table 1."""

_SEVERITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
"""RFC 5424, table 2."""

_NAME = "router"
_PATIENCE = 5.0
"""Seconds that a daemon may take to read from its socket."""


def host_and_port(address: str) -> tuple[str, int] | None:
    """The parts of `host:port`; None for anything else.

    >>> host_and_port("logs.example.com:514"), host_and_port("[::1]:514"), host_and_port("/dev/log")
    (('logs.example.com', 514), ('::1', 514), None)
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 2**16:
        return None
    host = host[1:-1] if bracketed else host
    if not host or (":" in host and not bracketed) or "/" in host:
        return None
    return host, int(port)


class Syslog:
    """Where lines go, a datagram each. Connects when there is something to say, and anew after a failure."""

    def __init__(self, address: str, facility: Facility) -> None:
        self.name = f"syslog at {address}"
        self._address = address
        self._facility = _CODES[facility]
        self._socket: socket.socket | None = None

    def write(self, level: str, line: str, /) -> None:
        """Send a line.

        Raises:
            OSError: nobody listens there, nobody reads, or the line is too long for a datagram (EMSGSIZE).
        """
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._socket.send(self._message(level, line).encode())
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Leave no socket open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        elsewhere = host_and_port(self._address)
        if elsewhere is None:
            return _connect(socket.AF_UNIX, self._address)
        found = socket.getaddrinfo(*elsewhere, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        return _connect(family, address)

    def _message(self, level: str, line: str) -> str:
        priority = self._facility * 8 + _SEVERITIES[level]
        if host_and_port(self._address) is None:
            now = datetime.now().astimezone()
            return f"<{priority}>{now:%b} {now.day:2} {now:%H:%M:%S} {_NAME}[{os.getpid()}]: {line}"
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"<{priority}>1 {time} {socket.gethostname() or '-'} {_NAME} {os.getpid()} - - {line}"


def _connect(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.settimeout(_PATIENCE)
        made.connect(address)  # type: ignore[arg-type] # typeshed wants to know which family's
    except OSError:
        made.close()
        raise
    return made
