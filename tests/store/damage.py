"""Segments, damaged on purpose, and what is in them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from router.store.layout import is_log
from router.store.log.reading import LogVolume
from router.store.missing import Missing

PAGE = 4096

HEADER = 100
"""Bytes of a database's header: noise in it may make it another program's, or another layout's."""


def tear(path: Path, first: int, count: int = 1) -> None:
    """Overwrite pages, the first of which is 0."""
    content = bytearray(path.read_bytes())
    assert len(content) >= (first + count) * PAGE
    content[first * PAGE : (first + count) * PAGE] = b"\xa5" * count * PAGE
    path.write_bytes(content)


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def sequences_in(path: Path) -> set[int]:
    """The events that a segment has."""
    if is_log(path):
        with contextlib.closing(LogVolume(path)) as log:
            return {arrival.sequence for arrival in log.arrivals(0, 2**62, 10**6)}
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {at for (at,) in database.execute("SELECT sequence FROM events NOT INDEXED")}


def is_told(missing: Missing | None, sequence: int) -> bool:
    """Whether an event stood where something is said to be lost."""
    assert missing is not None
    return any(gap.first <= sequence and (gap.last is None or sequence <= gap.last) for gap in missing.gaps)


def leaves(path: Path, name: str) -> list[int]:
    """The leaf pages of a table or an index, the first page being 0."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT pageno - 1 FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (name,)
        )
        return [page for (page,) in found]
