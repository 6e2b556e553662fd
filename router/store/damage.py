"""What is wrong with a store's files."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from router.errors import ConfigurationError
from router.store.advice import DOCTOR
from router.store.layout import (
    LOG,
    OLDER,
    VERSION,
    Segments,
    connect,
    described,
    grows,
    is_log,
    made_by,
    schema_of,
)
from router.store.log import checking

_ELSEWHERE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_AUTH,
    }
)
"""What SQLite says of a database that cannot be had now, in contrast to one that is damaged."""

_WRITING = frozenset(
    {
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_NOMEM,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_WRITE,
    }
)
"""Likewise, where it has to write: even whoever only reads makes the file `-shm`, on a disk that has room."""


def databases(folder: Path) -> list[Path]:
    """The databases of a store that are there."""
    segments = Segments(folder / "events")
    every = [*(segment.path for segment in segments.all), segments.kept, folder / "deliveries.sqlite"]
    return [path for path in every if path.exists()]


def damage(path: Path, *, thorough: bool) -> str | None:
    """What is wrong with a database, by SQLite's own check.

    Args:
        path: the database's.
        thorough: whether to look also whether its indexes agree with its tables. An index that does not can
            be written to no more; that takes about twice as long (see
            https://sqlite.org/pragma.html#pragma_quick_check).

    Raises:
        ConfigurationError: it is one of another layout, or it cannot be opened, which need not be its fault.
    """
    if is_log(path):
        return checking.damage(path, thorough=thorough, grows=grows(path))
    try:
        with contextlib.closing(connect(path, writing=False)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            check = "integrity_check" if thorough else "quick_check"
            found = [text for (text,) in connection.execute(f"PRAGMA {check}(3)")]
            there = described(connection)
    except UnicodeDecodeError as error:
        return str(error)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # none where a text is not UTF-8
        if code in _WRITING:
            raise ConfigurationError(
                f"{path} cannot be opened: {error} while something was written beside it; is the disk full?"
            ) from error
        if code & 0xFF in _ELSEWHERE:
            raise ConfigurationError(f"{path} cannot be opened: {error}") from error
        return str(error)
    if version not in {0, OLDER, VERSION}:
        raise ConfigurationError(f"{path} was made by another version of this router (layout {version})")
    if found != ["ok"]:
        return "; ".join(" ".join(text.split()) for text in found)
    if version and (other := made_by(schema_of(path)) - there):
        return f"it lacks {', '.join(sorted(name for name, _ in other))} as this router makes them"
    return None


def interrupted(folder: Path) -> bool:
    """Whether a repair was interrupted."""
    return any(True for _ in begun(folder))


def diagnosis(suspects: Collection[Path]) -> str | None:
    """What is wrong with a store, and what to do; None where none of the suspects is damaged.

    Raises:
        ConfigurationError: one of them is of another layout, or cannot be opened.
    """
    for path in sorted(suspects):
        if (problem := damage(path, thorough=False)) is not None:
            return f"{path.name} is damaged ({problem}); {DOCTOR}"
    return None


def begun(folder: Path) -> Iterator[Path]:
    """The repaired files that have not taken their place."""
    yield from sorted(folder.glob("*.sqlite.new-*"))
    yield from sorted((folder / "events").glob("*.sqlite.new-*"))
    yield from sorted((folder / "events").glob(f"*{LOG}.new-*"))
