"""A store's files: where they are, how they are made, who may read them, whether this router knows them."""

from __future__ import annotations

import bisect
import contextlib
import functools
import os
import re
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from router.errors import ConfigurationError
from router.store.queries import DELIVERIES, EVENTS

VERSION = 3
"""The databases' layout, kept as their `user_version`."""

OLDER = 2
"""The layout of the same databases when there were no logs beside them: a router that knows no logs must not
take what stands in one for delivered."""

OWNER_ONLY = 0o600
"""Payloads, and configurations with what is written out in them, are nobody else's business."""

WAL_KEPT = 8_000_000
"""How many bytes of a log stay allocated once it was emptied."""


LOG = ".log"
"""How the name of a log ends. Older routers made databases of what was accepted; these stay as they are."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file of what was accepted from a sequence on, until the next segment's.

    Attributes:
        first: no record in it has a lower sequence.
    """

    first: int
    path: Path

    @property
    def is_log(self) -> bool:
        """Whether it can grow; else it is a database that an older router has made."""
        return is_log(self.path)


def is_log(path: Path) -> bool:
    """Whether it is a log, and no database, by its name."""
    return path.suffix == LOG


class Segments:
    """The segments there are. Any thread may look, and change them.

    Attributes:
        folder: where they are.
        kept: the database of records that outlive their segment.
        all: the segments, oldest first; a new tuple whenever they change.

    Raises:
        ConfigurationError: there is a file that is none of this store's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept.sqlite"
        self._change = threading.Lock()
        paths = {*folder.glob("*.sqlite"), *folder.glob(f"*{LOG}")} - {self.kept}
        strange = sorted(path.name for path in paths if not path.stem.isdecimal())
        if strange:
            raise ConfigurationError(f"{folder} holds {', '.join(strange)}, which is no part of a store")
        self.all = tuple(sorted(Segment(int(path.stem), path) for path in paths))

    def path(self, first: int) -> Path:
        """Where a new segment is that begins with the sequence `first`."""
        return self.folder / f"{first}{LOG}"

    def add(self, segment: Segment) -> None:
        """There is a new one."""
        with self._change:
            self.all = tuple(sorted({*self.all, segment}))

    def remove(self, segment: Segment) -> None:
        """There is one less."""
        with self._change:
            self.all = tuple(one for one in self.all if one != segment)


def grows(path: Path) -> bool:
    """Whether a segment is the last one of its folder."""
    return Segments(path.parent).all[-1:] == (Segment(int(path.stem), path),)


def covering(segments: tuple[Segment, ...], first: int, last: int) -> tuple[Segment, ...]:
    """Those that can hold a sequence from `first` to `last`, both included."""
    begin = bisect.bisect_right(segments, first, key=lambda segment: segment.first)
    end = bisect.bisect_right(segments, last, key=lambda segment: segment.first)
    return segments[max(begin - 1, 0) : end]


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """A connection to a database that is there, usable from any one thread at a time."""
    uri = f"{path.absolute().as_uri()}?mode=rw"  # never makes one: what is gone stays gone
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        if writing:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def remove(path: Path) -> None:
    """Remove a segment, for good; a database first itself, so that it is never found without its log."""
    for one in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        one.unlink(missing_ok=True)
    sync(path.parent)


def weight(path: Path) -> int:
    """How many bytes a segment has on disk; a database with its log."""
    size = 0
    for one in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(FileNotFoundError):
            size += one.stat().st_size
    return size


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, so that a power cut does not take back their names."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        sync(one.parent)


def sync(folder: Path) -> None:
    """Let a power cut take back no name in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find(folder: Path) -> tuple[Segments, Path]:
    """What a store's folder holds: segments, and the database of deliveries, made where it is missing.

    Raises:
        ConfigurationError: this is no store that this router can run.
        OSError, sqlite3.Error: the disk, or a file on it, is not what it should be.
    """
    segments = Segments(folder / "events")
    for path in segments.folder.glob("*.sqlite-*"):  # of a segment that was just removed when the power went
        if not path.with_name(path.name.rpartition("-")[0]).exists():
            path.unlink()
    for path in segments.folder.glob(f"*{LOG}.half*"):  # just begun, likewise, or by a repair
        path.unlink()
    deliveries = folder / "deliveries.sqlite"
    newest = (segment.path for segment in segments.all[-1:] if not segment.is_log)
    for path in (segments.kept, *newest, deliveries):
        create(path, schema_of(path))
    return segments, deliveries


def schema_of(path: Path) -> str:
    """What makes a database, by its name."""
    if path.name == "deliveries.sqlite":
        return DELIVERIES["schema"]
    if path.name == "kept.sqlite":  # records come and go here
        return f"PRAGMA auto_vacuum = INCREMENTAL; VACUUM; {EVENTS['schema']}"
    return EVENTS["schema"]


def create(path: Path, schema: str) -> None:
    """Make a database where there is none, or only the beginning of one.

    Raises:
        ConfigurationError: it is one of another layout.
        OSError, sqlite3.Error: the disk, or the file, is not what it should be.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))  # its WAL takes over the mode
    with contextlib.closing(connect(path, writing=True)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            return
        if version == OLDER:
            connection.execute(f"PRAGMA user_version = {VERSION}")
            return
        if version != 0:
            raise ConfigurationError(
                f"{path} was made by another version of this router (layout {version}, this one knows "
                f"{VERSION}); run that version, or move the folder away and begin anew"
            )
        connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    sync(path.parent)


def described(connection: sqlite3.Connection) -> frozenset[tuple[str, bytes]]:
    """What a database has, by name, and how it was made; comments and white space mean nothing."""
    found = connection.execute("""SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema
        WHERE sql IS NOT NULL""")  # else what is damaged need be no text
    return frozenset(
        (name.decode(errors="replace"), b" ".join(re.sub(b"--.*", b"", sql).split())) for name, sql in found
    )


@functools.cache
def made_by(schema: str) -> frozenset[tuple[str, bytes]]:
    """What a database has as it was made, likewise."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(schema)
        return described(connection)
