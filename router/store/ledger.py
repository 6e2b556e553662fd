"""What a writer writes to: one database, or a row of segments of which the last one grows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from router.store.layout import Segment, Segments, connect, create, remove
from router.store.queries import EVENTS

WAL_MOST = 32_000_000
"""How many bytes a log may have before it is emptied between two commits."""


class Beginning(NamedTuple):
    """What a group of events begins with.

    Attributes:
        received: seconds since the epoch.
    """

    sequence: int
    received: float


@dataclass(frozen=True, slots=True)
class Limits:
    """When the next segment begins.

    Attributes:
        bytes: how large a segment may be when a group of events comes to it.
        seconds: how far apart two of its events may have been received.
    """

    bytes: int = 256_000_000
    seconds: float = 3_600.0


LIMITS = Limits()
"""As large as is quickly let go, and as short as an archive's age is told."""


class Ledger(Protocol):
    """Where groups of work are committed. All calls come from one thread."""

    def turn_to(self, beginning: Beginning | None) -> sqlite3.Connection:
        """The database for a group that begins so.

        Raises:
            OSError, sqlite3.Error: it cannot be had now.
        """
        ...

    def rest(self) -> None:
        """Nothing is to be written for a while."""
        ...

    def close(self) -> None:
        """Nothing is written any more."""
        ...


class Database:
    """A ledger of one database, and of bounded log.

    SQLite empties the log by itself as long as no reader stands in its way at each of these moments.
    Where it has grown all the same, it is emptied before anything else is written.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, writing=True)
        self._file, self._log = str(path), f"{path}-wal"

    def turn_to(self, beginning: Beginning | None) -> sqlite3.Connection:  # noqa: ARG002 -- it is the only one
        """See `Ledger.turn_to`."""
        with contextlib.suppress(sqlite3.Error):
            if _size(self._log) > WAL_MOST:
                self._empty(patience=0)
        return self._connection

    def holds(self, size: int) -> bool:
        """Whether the database has so many bytes, committed to its log or to itself."""
        if _size(self._file) + _size(self._log) < size:  # quickly asked; and some pages are in both
            return False
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages * self._connection.execute("PRAGMA page_size").fetchone()[0]) >= size

    def rest(self) -> None:
        """See `Ledger.rest`."""
        with contextlib.suppress(sqlite3.Error):
            self._empty(patience=0)

    def _empty(self, patience: int) -> None:
        """Empty the log, unless a reader still needs it after `patience` milliseconds."""
        self._connection.execute(f"PRAGMA busy_timeout = {patience}")
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._connection.execute("PRAGMA busy_timeout = 5000")

    def close(self) -> None:
        """See `Ledger.close`."""
        self._connection.close()


class Journal:
    """A ledger of segments: old ones are never changed, so that they can be let go whole.

    Args:
        segments: the last one is gone on with.
    """

    def __init__(self, segments: Segments, limits: Limits) -> None:
        self._segments = segments
        self._limits = limits
        self._database = Database(segments.all[-1].path)
        connection = self._database.turn_to(None)
        self._began: float | None = connection.execute(EVENTS["began"]).fetchone()[0]

    def turn_to(self, beginning: Beginning | None) -> sqlite3.Connection:
        """See `Ledger.turn_to`. It may be a new segment's."""
        assert beginning is not None
        if self._began is None:
            self._began = beginning.received
        elif self._is_full(beginning.received):
            self._go_on(beginning)
        return self._database.turn_to(None)

    def _is_full(self, now: float) -> bool:
        """By the clock, which may be set either way, or by size."""
        assert self._began is not None
        return abs(now - self._began) >= self._limits.seconds or self._database.holds(self._limits.bytes)

    def _go_on(self, beginning: Beginning) -> None:
        path = self._segments.path(beginning.sequence)
        if path == self._segments.all[-1].path:  # it has not been used yet: nobody sent for an hour
            self._began = beginning.received
            return
        try:
            create(path, EVENTS["schema"])
            database = Database(path)
        except BaseException:
            remove(path)  # the next group tries again, by another name
            raise
        self._segments.add(Segment(beginning.sequence, path))
        last, self._database = self._database, database
        self._began = beginning.received
        last.rest()
        last.close()

    def rest(self) -> None:
        """See `Ledger.rest`."""
        self._database.rest()

    def close(self) -> None:
        """See `Ledger.close`."""
        self._database.close()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 -- for each group: a Path takes longer than the system
    except FileNotFoundError:
        return 0
