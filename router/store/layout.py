"""A store's files: where they are, how they are made, who may read them, whether this router knows them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from router.errors import ConfigurationError
from router.store.queries import DELIVERIES, EVENTS

VERSION = 2
"""The databases' layout, kept as their `user_version`."""

OWNER_ONLY = 0o600
"""Payloads, and configurations with what is written out in them, are nobody else's business."""


@dataclass(frozen=True, slots=True)
class Files:
    """The databases of a store."""

    events: Path
    deliveries: Path


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """A connection to one of the store's databases, usable from any one thread at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        if writing:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, so that a power cut does not take back their names."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        parent = os.open(one.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def find(folder: Path, birth: int) -> Files:
    """The databases in a store's folder, made where they are missing.

    Args:
        folder: `events/` is in it.
        birth: the first sequence of a store that is made now.

    Raises:
        ConfigurationError: this is no store that this router can run.
        OSError, sqlite3.Error: the disk, or a file on it, is not what it should be.
    """
    segments = sorted((folder / "events").glob("*.sqlite"))
    if len(segments) > 1:
        names = ", ".join(segment.name for segment in segments)
        raise ConfigurationError(
            f"{folder / 'events'} holds several databases ({names}); this router knows one"
        )
    files = Files(
        segments[0] if segments else folder / "events" / f"{birth}.sqlite", folder / "deliveries.sqlite"
    )
    _create(files.events, EVENTS["schema"])
    _create(files.deliveries, DELIVERIES["schema"])
    return files


def _create(path: Path, schema: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))  # its WAL takes over the mode
    with contextlib.closing(connect(path, writing=True)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, VERSION}:
            raise ConfigurationError(f"{path} was made by another version of this router (layout {version})")
        connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {VERSION}")
