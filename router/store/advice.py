"""What to tell of a database that is damaged."""

from __future__ import annotations

import sqlite3

DOCTOR = "run `router doctor`, which keeps what can be read"
"""What to do about a damaged store."""

_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def told(error: Exception) -> str:
    """An error of SQLite's, with what to do about it where it does not pass by itself."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the primary one
    return f"{error}; stop the router, and {DOCTOR}" if code in _CODES else str(error)
