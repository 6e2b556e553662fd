"""Reads what can be read of a damaged database, row by row."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from router.store import rows
from router.store.layout import connect

Row = tuple[Any, ...]

BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged database raises; the latter where it is a name, or SQLite's own words about it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table and how its rows are understood.

    Attributes:
        key: the columns that order it.
        lost: what is wrong with a row that tells nothing.
        unreadable: what is wrong with a row that tells less than it should.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    lost: Callable[[Row], str | None] = lambda _: None
    unreadable: Callable[[Row], str | None] = lambda _: None


def _lost_event(row: Row) -> str | None:
    try:
        rows.decode_routes(row[3])
    except msgspec.DecodeError as error:
        return f"event {row[0]}: where it goes cannot be read ({error})"
    return None


def _unreadable_event(row: Row) -> str | None:
    try:
        rows.decode_row(row[4])
    except msgspec.DecodeError as error:
        return f"event {row[0]}: {error}"
    return None


_EVENTS = (
    Table(
        "events",
        ("sequence", "received", "fingerprint", "routes", "record"),
        ("sequence",),
        _lost_event,
        _unreadable_event,
    ),
    Table("originals", ("sequence", "body", "content_type"), ("sequence",)),
)
_DELIVERIES = (
    Table("watermarks", ("target", "sequence"), ("rowid",)),
    Table(
        "exceptions",
        ("target", "sequence", "variant", "state", "at", "attempts", "origin"),
        ("target", "sequence", "variant"),
    ),
    Table("configurations", ("version", "text"), ("rowid",)),
)


def tables_of(path: Path) -> Sequence[Table]:
    """The tables that a database has, by its name."""
    return _DELIVERIES if path.name == "deliveries.sqlite" else _EVENTS


def _first(path: Path) -> int:
    """No key in this database is lower."""
    return int(path.stem) if path.stem.isdecimal() else 0


def _select(table: Table, direction: str) -> str:
    """By the table's own order, so that no index is needed, which may be damaged as well."""
    order = ", ".join(f"{column} {direction}" for column in table.key)
    where = f"WHERE {table.key[0]} >= ?" if table.key == ("sequence",) else "WHERE ? IS NOT NULL"
    return f"SELECT {', '.join(table.columns)} FROM {table.name} {where} ORDER BY {order}"  # noqa: S608


def _forward(source: sqlite3.Connection, table: Table, first: int) -> Iterator[Row]:
    """The rows in order. Where one cannot be read, it is leapt over in ever longer leaps."""
    leap = 1
    while first < 2**63:
        try:
            for row in source.execute(_select(table, "ASC"), (first,)):
                yield row
                if table.key == ("sequence",):
                    first, leap = row[0] + 1, 1
        except BROKEN:
            if table.key != ("sequence",):
                return
            first, leap = first + leap, leap * 2
        else:
            return


def _backward(source: sqlite3.Connection, table: Table, first: int) -> Iterator[Row]:
    """The rows from the end on, as far as they can be read."""
    with contextlib.suppress(*BROKEN):
        yield from source.execute(_select(table, "DESC"), (first,))


def is_whole(path: Path, name: str) -> bool:
    """Whether all rows of a table can be read, from the first to the last."""
    (table,) = (table for table in tables_of(path) if table.name == name)
    try:
        with closing(connect(path, writing=False)) as source:
            for _ in source.execute(_select(table, "ASC"), (_first(path),)):
                pass
    except BROKEN:
        return False
    return True


def readable(path: Path, *, twice: bool) -> Iterator[tuple[Table, Row]]:
    """All rows of a database that can be read.

    Args:
        path: the database's.
        twice: from both ends; then a row may come twice, and rows behind a damage are found as well.
    """
    with contextlib.suppress(*BROKEN), closing(connect(path, writing=False)) as source:
        for table in tables_of(path):
            for row in _forward(source, table, _first(path)):
                yield table, row
            for row in _backward(source, table, _first(path)) if twice else ():
                yield table, row
