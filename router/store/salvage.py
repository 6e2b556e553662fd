"""Reads what can be read of a damaged database, row by row."""

from __future__ import annotations

import bisect
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from router.store import rows
from router.store.layout import connect, grows, is_log
from router.store.log import salvage as log

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


_NOT_DECODED = (msgspec.DecodeError, TypeError)
"""What decoding a damaged value raises; the latter where it is not even bytes, whatever its column allows."""


def lost_event(row: Row) -> str | None:
    """Why an event's row tells nothing; None where it tells something."""
    try:
        rows.decode_routes(row[3])
    except _NOT_DECODED as error:
        return f"event {row[0]}: where it goes cannot be read ({error})"
    return None


def _unreadable_event(row: Row) -> str | None:
    try:
        rows.decode_row(row[4])
    except _NOT_DECODED as error:
        return f"event {row[0]}: {error}"
    return None


_EVENTS = (
    Table(
        "events",
        ("sequence", "received", "fingerprint", "routes", "record"),
        ("sequence",),
        lost_event,
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


_PASSING = "+sequence >= ?"
_SEEKING = "sequence >= ?"
"""The former passes by all rows: seeking leads astray where the pages above the rows are damaged."""


def _select(table: Table, direction: str) -> str:
    """By the table's own order, so that no index is needed, which may be damaged as well."""
    order = ", ".join(f"{column} {direction}" for column in table.key)
    where = f"WHERE {_PASSING}" if table.key == ("sequence",) else "WHERE ? IS NOT NULL"
    return f"SELECT {', '.join(table.columns)} FROM {table.name} {where} ORDER BY {order}"  # noqa: S608


def _forward(source: sqlite3.Connection, table: Table, first: int) -> Iterator[Row]:
    """The rows in order."""
    if table.key == ("sequence",):
        yield from _leaping(source, _select(table, "ASC"), first, [])
    else:
        with contextlib.suppress(*BROKEN):
            yield from source.execute(_select(table, "ASC"), (first,))


def _leaping(source: sqlite3.Connection, statement: str, first: int, torn: list[int]) -> Iterator[Row]:
    """Rows by rising sequence. Where one cannot be read, it is leapt over in ever longer leaps.

    `torn` is told from which sequences on reading failed.
    """
    leap = 1
    while (start := first) < 2**63:
        try:
            for row in source.execute(statement, (start,)):
                yield row
                if row[0] >= start:  # else it would go on from there forever
                    first, leap = row[0] + 1, 1
        except BROKEN:
            if leap == 1:
                torn.append(first)
            first, leap = first + leap, leap * 2
            statement = statement.replace(_PASSING, _SEEKING)
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


def _open(path: Path) -> sqlite3.Connection:
    """A connection that reads what there is of a database whose end is cut off."""
    connection = connect(path, writing=False)
    connection.execute("PRAGMA writable_schema = ON")  # else SQLite wants it to be as long as it says
    return connection


def readable(path: Path, *, twice: bool) -> Iterator[tuple[Table, Row]]:
    """All rows of a database that can be read.

    Args:
        path: the database's.
        twice: from both ends, and events one by one where they are known to be; then a row may come twice,
            and rows behind a damage are found as well. Of an event whose record alone is torn there is the
            rest.
    """
    if is_log(path):
        yield from _readable_of_log(path)
        return
    with contextlib.suppress(*BROKEN), closing(_open(path)) as source:
        for table in tables_of(path):
            seen: set[Any] = set()
            for row in _forward(source, table, _first(path)):
                seen.add(row[0])
                yield table, row
            for row in _backward(source, table, _first(path)) if twice else ():
                seen.add(row[0])
                yield table, row
            if twice and table.name == "events":
                alone = (_alone(source, sequence) for sequence in sorted(named(path).sequences - seen))
                yield from ((table, row) for row in alone if row is not None)


def _readable_of_log(path: Path) -> Iterator[tuple[Table, Row]]:
    events, originals = _EVENTS
    for columns in log.readable(path, grows=grows(path)):
        yield from ((events, row) for row in zip(*columns[:5], strict=True))
        yield from ((originals, row) for row in columns.originals)


def _alone(source: sqlite3.Connection, sequence: int) -> Row | None:
    """One event; with an empty record where only what stands before it can be read."""
    for record in ("record", "x''"):
        with contextlib.suppress(*BROKEN):
            row: Row | None = source.execute(
                f"SELECT sequence, received, fingerprint, routes, {record} FROM events WHERE sequence = ?",  # noqa: S608
                (sequence,),
            ).fetchone()
            if row is not None:
                return row
    return None


# -- what there was -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """Which events a damaged database tells of, whether or not they can be read.

    Attributes:
        sequences: those that it names, in its table or in its index by time.
        torn: stretches (first and last sequence, both included) of which it does not tell what stood there;
            the last one may have no end.
    """

    sequences: frozenset[int]
    torn: tuple[tuple[int, int | None], ...]


_BY_TABLE = "SELECT sequence FROM events NOT INDEXED WHERE +sequence >= ? ORDER BY sequence"
_BY_TABLE_BACK = f"{_BY_TABLE} DESC"
_BY_INDEX = """SELECT sequence FROM events INDEXED BY events_by_time WHERE ? IS NOT NULL
ORDER BY received, fingerprint, sequence"""
_BY_INDEX_BACK = """SELECT sequence FROM events INDEXED BY events_by_time WHERE ? IS NOT NULL
ORDER BY received DESC, fingerprint DESC, sequence DESC"""


def named(path: Path) -> Named:
    """Which events a segment tells of: the index knows of them where the table is torn."""
    first = _first(path)
    if is_log(path):
        sequences, stretches = log.named(path, grows=grows(path))
        return Named(frozenset(sequences), tuple(stretches))
    torn: list[int] = []
    try:
        with closing(_open(path)) as source:
            in_table = {row[0] for row in _leaping(source, _BY_TABLE, first, torn)}
            in_index: set[int] = set()
            whole = _gather(source, _BY_INDEX, first, in_index)
            if torn:
                _gather(source, _BY_TABLE_BACK, first, in_table)
            if not whole:
                _gather(source, _BY_INDEX_BACK, first, in_index)
    except BROKEN:
        return Named(frozenset(), ((first, None),))
    known = frozenset(at for at in in_table | in_index if at >= first)
    if whole and in_table <= in_index:
        return Named(known, ())
    ends = sorted(in_table)
    return Named(known, tuple(dict.fromkeys(_stretch(start, ends) for start in torn)))


def _gather(source: sqlite3.Connection, statement: str, first: int, found: set[int]) -> bool:
    """Add the sequences that a statement gives, as far as they can be read; whether that was all."""
    try:
        for (sequence,) in source.execute(statement, (first,)):
            found.add(sequence)
    except BROKEN:
        return False
    return True


def _stretch(start: int, table: Sequence[int]) -> tuple[int, int | None]:
    """From where reading failed to the next event that can be read."""
    index = bisect.bisect_left(table, start)
    return (start, table[index] - 1 if index < len(table) else None)
