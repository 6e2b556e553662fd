"""What to tell of files that are damaged, or not there."""

from __future__ import annotations

import sqlite3

DOCTOR = "run `router doctor`, which keeps what can be read"
"""What to do about a damaged store."""

UNBEGUN = (
    "holds no store: no router has run there yet. `router serve` makes one; if one has run elsewhere, name "
    "its folder with -d, or its data folder with --data"
)
"""What to tell of a folder in which there is no store."""

_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DamagedError(Exception):
    """A part of a segment is not what was written."""


def told(error: Exception) -> str:
    """An error of the disk's or of SQLite's, with what to do about it where it does not pass by itself."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the primary one
    damaged = isinstance(error, DamagedError) or code in _CODES
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return f"{error}; stop the router, and {DOCTOR}" if damaged else str(error)
