"""What the ends of a target's files hold: the deliveries that an earlier life wrote, and the last record.

A crash between writing and saying so has deliveries come again. What of them is here is not written twice.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from router.audit.streams import lines
from router.targets import jail
from router.targets.file_names import Piece

REMEMBERED: Final = 20_000
"""How many deliveries are recognised: more than can be written and not settled (`delivery.settler`)."""

_CHUNK: Final = 256 * 1024

_PLAIN: Final = re.compile(rb'\{"sequence":[0-9]+,"id":"([A-Za-z0-9-]+)","time":"([^"]*)"')
_CHAINED: Final = re.compile(
    rb',"id":"([A-Za-z0-9-]+)","sequence":[0-9]+,"time":"([^"]*)","hash":"[0-9a-f]{64}"\}\n\Z'
)
_END: Final = 512
"""Bytes in which the end of a chained record has room, from `id` on."""


class Written(NamedTuple):
    """What a line tells of its writing.

    Attributes:
        id: of the delivery.
        time: when it was written, seconds since the epoch.
    """

    id: str
    time: float


def written(line: bytes) -> Written | None:
    """What a line tells; None where it is no line of ours."""
    found = _PLAIN.match(line) or _CHAINED.search(line[-_END:])
    if found is None:
        return None
    try:
        return Written(found[1].decode(), datetime.fromisoformat(found[2].decode()).timestamp())
    except ValueError:
        return None


def newest_lines(folder: Path, pieces: list[Piece]) -> Iterator[bytes]:
    """The lines of these files, the last one first.

    Args:
        folder: the data folder.
        pieces: oldest first.

    Raises:
        OSError: one cannot be read.
        router.audit.streams.DamagedError: likewise.
        JailError: one is a symbolic link.
    """
    for piece in reversed(pieces):
        parent = jail.enter(folder, piece.path.parent)
        try:
            file = jail.open_in(parent, piece.path.name, os.O_RDONLY)
        finally:
            os.close(parent)
        if piece.is_packed:
            with os.fdopen(file, "rb") as packed:
                yield from reversed(deque(lines(piece.path.name, packed), REMEMBERED))
            continue
        try:
            yield from _backwards(file)
        finally:
            os.close(file)


def _backwards(file: int) -> Iterator[bytes]:
    """The whole lines of a file, the last one first."""
    end = os.fstat(file).st_size
    rest: list[bytes] = []  # of the line that is not whole yet, its last piece first
    while end > 0:
        start = max(0, end - _CHUNK)
        chunk = os.pread(file, end - start, start)
        end = start
        first, *others = chunk.split(b"\n")
        if not others:
            rest.append(first)
            continue
        rest.append(others.pop())
        yield from _whole(rest)
        yield from (line + b"\n" for line in reversed(others))
        rest = [b"\n", first]
    yield from _whole(rest)


def _whole(pieces: list[bytes]) -> Iterator[bytes]:
    """The line made of these, its last piece first; none where it has no end."""
    if pieces and pieces[0] == b"\n":
        yield b"".join(reversed(pieces))
