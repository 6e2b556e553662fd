"""Reads what can be read of a damaged database, row by row."""

from __future__ import annotations

import bisect
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
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


_NOT_DECODED = (msgspec.DecodeError, TypeError)
"""What decoding a damaged value raises; the latter where it is not even bytes, whatever its column allows."""


def _lost_event(row: Row) -> str | None:
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
    """Which events a database tells of: the index knows of them where the table is torn."""
    first = _first(path)
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
    sequences = frozenset(at for at in in_table | in_index if at >= first)
    if whole and in_table <= in_index:
        return Named(sequences, ())
    ends = sorted(in_table)
    return Named(sequences, tuple(dict.fromkeys(_stretch(start, ends) for start in torn)))


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


# -- what is missing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which events are lost.

    Attributes:
        first, last: sequences, both included; nothing tells where it ends where `last` is None.
        count: how many events; None where nothing tells.
    """

    first: int
    last: int | None
    count: int | None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a target had not got of the events that are lost, as far as `deliveries.sqlite` tells.

    Attributes:
        waiting: deliveries that were dead letters, or to be tried again.
        untried: events that came after all it was done with: not delivered, if it was to get them at all.
        unsure: whether there may be more of these in a gap of which nothing tells how many it had.
    """

    target: str
    waiting: int
    untried: int
    unsure: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """The events of a damaged database that cannot be read.

    Attributes:
        count: how many are known to be lost; there may be more where a gap's count is None.
        undelivered: by target; those that had got everything are left out.
        waiting: the lost events of which deliveries are dead, or to be tried again.
    """

    count: int
    gaps: tuple[Gap, ...]
    undelivered: tuple[Undelivered, ...]
    waiting: tuple[int, ...]

    def __bool__(self) -> bool:
        """Whether anything is, or may be, lost."""
        return bool(self.gaps)


def missing(
    path: Path, have: AbstractSet[int], span: tuple[int, int | None], others: Sequence[Path]
) -> Missing:
    """What a database of events had, and nobody has now.

    Args:
        path: the database's.
        have: the events in it that can be read.
        span: the first and last sequence that it may hold; None where it is the last one.
        others: the other databases of events: what stands there is not lost.
    """
    marks, told = _told(path.parent.parent / "deliveries.sqlite", span)
    names = named(path)
    waiting = {row[1] for row in told if row[2] in _UNFINISHED}
    head = max([*marks.values(), *(row[1] for row in told)], default=0)
    end = head if span[1] is None else span[1]
    lost = {at for at in names.sequences if span[1] is None or at <= end} | waiting
    lost -= have
    lost -= _standing_in(others, lost)
    known = have | lost
    unsure = [
        Gap(first, last if last is not None else (end if end >= first else None), None)
        for first, last in names.torn
        if last is None or sum(first <= at <= last for at in known) <= last - first
    ]
    gaps = (*_runs(sorted(known), lost), *unsure)
    targets = sorted({*marks, *(row[0] for row in told)} - {""})
    undelivered = [_undelivered(target, marks, told, lost, unsure) for target in targets]
    worth = tuple(one for one in undelivered if one.waiting or one.untried or one.unsure)
    return Missing(len(lost), gaps, worth, tuple(sorted(waiting & lost)))


_UNFINISHED = frozenset({"retrying", "dead"})


def _told(deliveries: Path, span: tuple[int, int | None]) -> tuple[dict[str, int], list[Row]]:
    """The watermarks, and the rows of exceptions about a span of events."""
    first, last = span
    marks: dict[str, int] = {}
    rows_: list[Row] = []
    for table, row in readable(deliveries, twice=False) if deliveries.exists() else ():
        if table.name == "watermarks":
            marks[row[0]] = row[1]
        elif table.name == "exceptions" and first <= row[1] and (last is None or row[1] <= last):
            rows_.append((row[0], row[1], row[3]))
    return marks, rows_


def _standing_in(others: Sequence[Path], sequences: AbstractSet[int]) -> set[int]:
    """Those of the events that stand in another database."""
    found: set[int] = set()
    for path in others if sequences else ():
        with contextlib.suppress(*BROKEN), closing(connect(path, writing=False)) as source:
            for sequence in sequences:
                if source.execute("SELECT 1 FROM events WHERE sequence = ?", (sequence,)).fetchone():
                    found.add(sequence)
    return found


def _runs(known: Sequence[int], lost: AbstractSet[int]) -> Iterator[Gap]:
    """The lost events that stand side by side."""
    for is_lost, run in groupby(known, lost.__contains__):
        if is_lost:
            sequences = list(run)
            yield Gap(sequences[0], sequences[-1], len(sequences))


def _undelivered(
    target: str, marks: Mapping[str, int], told: Sequence[Row], lost: AbstractSet[int], unsure: Sequence[Gap]
) -> Undelivered:
    mark = marks.get(target, marks.get("", 0))
    theirs = [row for row in told if row[0] == target and row[1] in lost]
    untried = {at for at in lost if at > mark} - {row[1] for row in theirs}
    waiting = sum(row[2] in _UNFINISHED for row in theirs)
    more = any(gap.last is None or gap.last > mark for gap in unsure)
    return Undelivered(target, waiting, len(untried), more)
