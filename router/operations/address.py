"""Where a running router is asked: `api.json` in its data folder, for those who may read that folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import structlog

FILE = "api.json"

BASE = "/api/v1"
"""Below it is the API."""

log = structlog.stdlib.get_logger(__name__)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A running router's API.

    Attributes:
        url: of the router; the API is below `BASE`.
        token: what lets a client in.
        pid: the router's process: one that died before it could remove the file is told from one that runs.
    """

    url: str
    token: str
    pid: int


@contextmanager
def published(folder: Path, address: Address) -> Iterator[None]:
    """Let those who may read the folder know the address as long as the context is open.

    A disk that takes nothing costs the operators their way in, and senders nothing: the log says so.
    """
    try:
        _write(folder, address)
    except OSError as error:
        log.error("api.unpublished", file=str(folder / FILE), error=error.strerror)
    try:
        yield
    finally:
        if read(folder) == address:
            with contextlib.suppress(OSError):
                (folder / FILE).unlink()


def forget(folder: Path) -> None:
    """Remove what a router that was killed has left: its process id may be this one's, too."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> Address | None:
    """What stands in the folder; None if nothing that can be read does."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Address)
    except (OSError, msgspec.MsgspecError):
        return None


def reachable(url: str) -> str:
    """A listening URL as one that can be connected to: nobody listens on "any address" but from outside.

    >>> reachable("http://0.0.0.0:8080"), reachable("http://[::]:8080"), reachable("http://10.0.0.7:8080")
    ('http://127.0.0.1:8080', 'http://[::1]:8080', 'http://10.0.0.7:8080')
    """
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "")  # noqa: S104 -- read, not bound
    return url if host is None else urlunsplit(parts._replace(netloc=f"{host}:{parts.port}"))


def _write(folder: Path, address: Address) -> None:
    """Put the file there whole, readable by its owner alone from its first byte on."""
    fresh = folder / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()  # what an earlier life could not finish
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(address))
    fresh.rename(folder / FILE)
