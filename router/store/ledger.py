"""What a writer writes to: one database, or a row of segments of which the last one grows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from router.store.layout import Segment, Segments, connect
from router.store.log.format import Columns
from router.store.log.index import Index
from router.store.log.writing import LogWriter, create

WAL_MOST = 32_000_000
"""How many bytes a log may have before it is emptied between two commits."""

Statement = tuple[str, Sequence[Sequence[Any]]]
"""A statement and the rows it runs with."""

Statements = Iterable[Statement]
"""What a writer of a database is given at a time."""

W_contra = TypeVar("W_contra", contravariant=True)


class Ledger(Protocol[W_contra]):
    """Where groups of work are committed. All calls come from one thread."""

    def commit(self, group: Sequence[W_contra]) -> None:
        """Have all of it on disk, or nothing.

        Raises:
            OSError, sqlite3.Error: nothing of it is there.
        """
        ...

    def rest(self) -> None:
        """Nothing is to be written for a while."""
        ...

    def close(self) -> None:
        """Nothing is written any more."""
        ...


class Database:
    """A ledger of one database, and of bounded log. What is committed are statements.

    SQLite empties the log by itself as long as no reader stands in its way at each of these moments.
    Where it has grown all the same, it is emptied before anything else is written.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, writing=True)
        self._log = f"{path}-wal"

    def commit(self, group: Sequence[Statements]) -> None:
        """See `Ledger.commit`. It is one transaction."""
        connection = self._connection
        with contextlib.suppress(sqlite3.Error):
            if _size(self._log) > WAL_MOST:
                self._empty(patience=0)
        try:
            if connection.in_transaction:  # an earlier group's could not even be taken back
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            for statements in group:
                for statement, rows in statements:
                    connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            raise

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


class Portion(NamedTuple):
    """Events to commit together; or nothing, to find out whether that works.

    Attributes:
        sequence: the first event's, or the one it would have.
        received: when the first one was, or would be, received; seconds since the epoch.
        columns: at least one event.
    """

    sequence: int
    received: float
    columns: Columns | None = None


class Journal:
    """A ledger of segments: old ones are never changed, so that they can be let go whole.

    Where the last segment is a log, it is gone on with.

    Args:
        indexes: where those who read find what each log has, by its path.

    Raises:
        OSError: it cannot be had now.
        router.store.advice.DamagedError: it is damaged, and not only at its end.
    """

    def __init__(self, segments: Segments, limits: Limits, indexes: dict[Path, Index]) -> None:
        self._segments = segments
        self._indexes = indexes
        self._limits = limits
        self._log: LogWriter | None = None
        if segments.all and segments.all[-1].is_log:
            self._log = self._opened(segments.all[-1])

    def open(self, sequence: int) -> None:
        """Have a log that grows; a new one begins with this sequence."""
        if self._log is None:
            self._log = self._begun(sequence)

    def commit(self, group: Sequence[Portion]) -> None:
        """See `Ledger.commit`."""
        log = self._turn_to(group[0])
        columns = [portion.columns for portion in group if portion.columns is not None]
        if columns:
            log.append(columns[0] if len(columns) == 1 else _joined(columns))
        else:
            log.probe()

    def _turn_to(self, portion: Portion) -> LogWriter:
        """The log for a group that begins so. It may be a new one."""
        assert self._log is not None
        if self._is_full(self._log, portion.received):
            self._log.seal()
            last, self._log = self._log, self._begun(portion.sequence)
            last.close()
        return self._log

    def _is_full(self, log: LogWriter, now: float) -> bool:
        """By the clock, which may be set either way, or by size; or nobody knows what the disk has of it."""
        return log.began is not None and (
            log.tainted or abs(now - log.began) >= self._limits.seconds or log.end >= self._limits.bytes
        )

    def _begun(self, sequence: int) -> LogWriter:
        segment = Segment(sequence, self._segments.path(sequence))
        create(segment.path, sequence)
        try:
            log = self._opened(segment)
        except BaseException:
            segment.path.unlink(missing_ok=True)  # the next group tries again, by another name
            raise
        self._segments.add(segment)
        return log

    def _opened(self, segment: Segment) -> LogWriter:
        log = LogWriter(segment.path, self._limits.bytes)
        self._indexes[segment.path] = log.index
        return log

    def rest(self) -> None:
        """See `Ledger.rest`."""

    def close(self) -> None:
        """See `Ledger.close`."""
        if self._log is not None:
            self._log.close()


def _joined(columns: Sequence[Columns]) -> Columns:
    return Columns(*(list(chain.from_iterable(column)) for column in zip(*columns, strict=True)))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 -- for each group: a Path takes longer than the system
    except FileNotFoundError:
        return 0
