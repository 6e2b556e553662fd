"""A damaged store: what is broken, and a new database of what can be read. Nothing is ever deleted.

A database is rebuilt beside the damaged one, and then takes its place; the damaged one stays as
`<name>.broken-<time>`. A crash in the midst of it leaves a state from which the next repair goes on, and with
which no store opens.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from router.errors import ConfigurationError
from router.store import rows
from router.store.advice import UNBEGUN
from router.store.base import Attempt, State
from router.store.damage import begun, damage, databases, interrupted
from router.store.layout import (
    Segments,
    connect,
    create,
    grows,
    is_log,
    remove,
    schema_of,
    sync,
)
from router.store.lock import FolderInUseError, FolderLock
from router.store.log import salvage as log
from router.store.loss import write_down
from router.store.missing import Missing, missing
from router.store.queries import DELIVERIES
from router.store.salvage import Row, Table, is_whole, lost_event, readable


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one database.

    Attributes:
        rows: how many can be read.
        damage: what is wrong with the database itself; None if nothing is.
        lost: rows that can be read, and tell nothing: a repair leaves them out.
        unreadable: rows of which a part cannot be read: their deliveries become dead letters that say so.
        missing: the events that a repair cannot keep; None where there is nothing to mend, or no events.
    """

    path: Path
    rows: int
    damage: str | None
    lost: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    missing: Missing | None = None

    @property
    def sound(self) -> bool:
        """Whether there is nothing that a repair would mend."""
        return self.damage is None and not self.lost


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a store.

    Attributes:
        holder: why nobody else may have the store now; None where nobody has it.
        databases: one for each.
        interrupted: databases whose repair was interrupted.
    """

    folder: Path
    holder: str | None
    databases: tuple[Finding, ...]
    interrupted: tuple[Path, ...]

    @property
    def sound(self) -> bool:
        """Whether there is nothing that a repair would mend."""
        return not self.interrupted and all(finding.sound for finding in self.databases)


@dataclass(frozen=True, slots=True)
class Kept:
    """A database that was rebuilt.

    Attributes:
        broken: where the damaged one is.
        rows: how many were kept.
        lost: rows that could be read, and told nothing.
        missing: the events that could not be kept; None for a database of none.
    """

    path: Path
    broken: Path
    rows: int
    lost: tuple[str, ...]
    missing: Missing | None = None


_FORGOTTEN = "what was delivered and what was not: everything in the archive is delivered again"
"""What is lost where no watermark, or not all of the rest, can be read. Better twice than never."""


def examine(folder: Path) -> Findings:
    """Look at everything in a store's folder; a running router is not disturbed, and what it writes not seen.

    Raises:
        ConfigurationError: this is no store, or one of another layout.
    """
    _insist(folder)
    holder = None
    try:
        FolderLock(folder).release()
    except FolderInUseError as error:
        holder = error.message
    return Findings(folder, holder, tuple(map(_examine, databases(folder))), tuple(begun(folder)))


def repair(folder: Path, now: float) -> tuple[Kept, ...]:
    """Rebuild what is damaged from what can be read of it.

    Args:
        folder: the store's; nobody may have it open.
        now: seconds since the epoch, for the names of what is moved aside.

    Raises:
        FolderInUseError: somebody has it open.
        ConfigurationError: this is no store, or one of another layout.
        OSError, sqlite3.Error: there is no room for the new database; the old one is where it was.
    """
    _insist(folder)
    lock = FolderLock(folder)
    try:
        for new in begun(folder):
            _take_place(new)
        # What became of deliveries comes first: it tells what is lost with the events.
        found = sorted(databases(folder), key=lambda path: path.name != "deliveries.sqlite")
        findings = map(_examine, found)  # each after those before it are rebuilt
        return tuple(_rebuild(finding, int(now)) for finding in findings if not finding.sound)
    finally:
        lock.release()


def _insist(folder: Path) -> None:
    if not databases(folder) and not interrupted(folder):
        raise ConfigurationError(f"{folder} {UNBEGUN}")


# -- looking --------------------------------------------------------------------------------------------


def _examine(path: Path) -> Finding:
    problem = damage(path, thorough=True)
    seen: set[tuple[object, ...]] = set()
    kept: set[int] = set()
    lost: dict[str, None] = {}
    unreadable: dict[str, None] = {}
    for table, row in readable(path, twice=problem is not None):
        seen.add((table.name, *row[: len(table.key)]))
        if (why := table.lost(row)) is not None:
            lost[why] = None
            continue
        if (why := table.unreadable(row)) is not None:
            unreadable[why] = None
        if table.name == "events":
            kept.add(row[0])
    torn = problem is not None or bool(lost)
    gone = _missing(path, kept) if torn and path.name != "deliveries.sqlite" else None
    return Finding(path, len(seen), problem, tuple(lost), tuple(unreadable), gone)


def _missing(path: Path, kept: set[int]) -> Missing:
    """What is lost of a database of events of which these can be kept."""
    segments = Segments(path.parent)
    begun = [segment.first for segment in segments.all]
    if path == segments.kept:
        span: tuple[int, int | None] = (0, begun[0] - 1 if begun else None)
        others = [segment.path for segment in segments.all]
    else:
        first = int(path.stem)
        span = (first, next((one - 1 for one in begun if one > first), None))
        others = [segments.kept] if segments.kept.exists() else []
    return missing(path, kept, span, others)


# -- rebuilding -----------------------------------------------------------------------------------------


def _rebuild(finding: Finding, now: int) -> Kept:
    path = finding.path
    half = path.with_name(f"{path.name}.half")
    remove(half)  # what an interrupted repair has begun: nothing of it is anywhere used
    count, lost, gone = (_refilled_log if is_log(path) else _refilled)(finding, half)
    if gone:
        _let_go(path, gone, now)
    new = path.with_name(f"{path.name}.new-{now}")
    half.rename(new)
    sync(path.parent)
    return Kept(path, _take_place(new), count, lost, gone)


def _refilled_log(finding: Finding, half: Path) -> tuple[int, tuple[str, ...], Missing]:
    """See `_refilled`, for a log."""
    path = finding.path
    copy = log.copied(path, half, lost_event, grows=grows(path))
    return copy.rows, copy.lost, _missing(path, copy.sequences)


def _refilled(finding: Finding, half: Path) -> tuple[int, tuple[str, ...], Missing | None]:
    """A new database of what can be read of an old one.

    Returns:
        how many rows it has, what tells nothing, and which events are missing.
    """
    path = finding.path
    create(half, schema_of(path))
    lost: dict[str, None] = {}
    gone: Missing | None = None
    count = refused = 0
    with contextlib.closing(connect(half, writing=True)) as target:
        target.execute("BEGIN")
        for table, row in readable(path, twice=finding.damage is not None):
            if (why := table.lost(row)) is not None:
                lost[why] = None
            elif (why := _refusal(target, table, row)) is not None:
                lost[why] = None
                refused += table.name != "configurations"
            else:
                count += target.execute("SELECT changes()").fetchone()[0]
        target.execute("COMMIT")
        if path.name != "deliveries.sqlite":
            gone = _missing(path, {at for (at,) in target.execute("SELECT sequence FROM events")})
        else:
            # Below a watermark, what has no row counts as delivered; who has no watermark has the floor's.
            if refused or not (is_whole(path, "exceptions") and is_whole(path, "watermarks")):
                target.execute("DELETE FROM watermarks")
            known = target.execute("SELECT count(*) FROM watermarks").fetchone()[0]
            lost |= {} if known else {_FORGOTTEN: None}
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    return count, tuple(lost), gone


def _refusal(target: sqlite3.Connection, table: Table, row: Row) -> str | None:
    """Insert a row, unless it is there; why that cannot be: a value that no router has written."""
    places = ", ".join("?" * len(table.columns))
    columns = ", ".join(table.columns)
    insert = f"INSERT INTO {table.name} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608 -- our own names
    try:
        target.execute(insert, row)
    except sqlite3.IntegrityError as error:
        return f"{table.name} {row[: len(table.key)]}: {error}"
    return None


def _let_go(path: Path, gone: Missing, now: int) -> None:
    """Leave a trace of what is lost: what waits for it is dead, and the rest is written down."""
    deliveries = path.parent.parent / "deliveries.sqlite"
    if waiting := frozenset(gone.waiting):
        with contextlib.closing(connect(deliveries, writing=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, row in readable(deliveries, twice=False):
                if table.name == "exceptions" and row[3] == State.RETRYING and row[1] in waiting:
                    _bury(connection, row, now)
            connection.execute("COMMIT")
    write_down(path, gone, now)


def _bury(connection: sqlite3.Connection, row: Row, now: int) -> None:
    """Nobody can make this delivery any more."""
    target, sequence, variant, _, _, attempts, _ = row
    why = f"the event {sequence} is lost: it could not be read when the store was repaired"
    history = (*rows.decode_attempts(attempts), Attempt(at=now, seconds=0.0, error=why))
    connection.execute(
        DELIVERIES["set_exception"],
        (target, sequence, variant, State.DEAD.value, now, rows.encode_attempts(history)),
    )


def _take_place(new: Path) -> Path:
    """Move the damaged database aside with its log, and the new one to its place; return where it went."""
    name, _, when = new.name.rpartition(".new-")
    path, broken = new.with_name(name), new.with_name(f"{name}.broken-{when}")
    log = path.with_name(f"{name}-wal")
    if log.exists():  # it goes first: never may the new database be found with the old one's log
        log.rename(broken.with_name(f"{broken.name}-wal"))
    path.with_name(f"{name}-shm").unlink(missing_ok=True)
    if path.exists():
        path.rename(broken)
    sync(path.parent)
    new.rename(path)
    sync(path.parent)
    return broken
