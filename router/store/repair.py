"""A damaged store: what is broken, and a new database of what can be read. Nothing is ever deleted.

A database is rebuilt beside the damaged one, and then takes its place; the damaged one stays as
`<name>.broken-<time>`. A crash in the midst of it leaves a state from which the next repair goes on, and with
which no store opens.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from router.errors import ConfigurationError
from router.store.layout import VERSION, Segments, connect, create, remove, schema_of, sync, weight
from router.store.lock import FolderInUseError, FolderLock
from router.store.salvage import Row, Table, is_whole, readable, tables_of


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one database.

    Attributes:
        rows: how many can be read.
        damage: what is wrong with the database itself; None if nothing is.
        lost: rows that can be read, and tell nothing: a repair leaves them out.
        unreadable: rows of which a part cannot be read: their deliveries become dead letters that say so.
    """

    path: Path
    rows: int
    damage: str | None
    lost: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

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
    """

    path: Path
    broken: Path
    rows: int
    lost: tuple[str, ...]


DOCTOR = "run `router doctor`, which keeps what can be read"
"""What to do about a damaged store."""

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
    return Findings(folder, holder, tuple(map(_examine, databases(folder))), tuple(_begun(folder)))


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
        for new in _begun(folder):
            _take_place(new)
        return tuple(_rebuild(path, int(now)) for path in databases(folder) if not _examine(path).sound)
    finally:
        lock.release()


def databases(folder: Path) -> list[Path]:
    """The databases of a store that are there."""
    segments = Segments(folder / "events")
    every = [*(segment.path for segment in segments.all), segments.kept, folder / "deliveries.sqlite"]
    return [path for path in every if path.exists()]


def _insist(folder: Path) -> None:
    if not databases(folder) and not interrupted(folder):
        raise ConfigurationError(f"{folder} holds no store")


def damage(path: Path) -> str | None:
    """What is wrong with a database, by SQLite's own check.

    Raises:
        ConfigurationError: it is one of another layout, or it cannot be opened, which need not be its fault.
    """
    try:
        with contextlib.closing(connect(path, writing=False)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            found = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    except UnicodeDecodeError as error:
        return str(error)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _ELSEWHERE:
            raise ConfigurationError(f"{path} cannot be opened: {error}") from error
        return str(error)
    if version not in {0, VERSION}:
        raise ConfigurationError(f"{path} was made by another version of this router (layout {version})")
    if found != ["ok"]:
        return "; ".join(" ".join(text.split()) for text in found)
    missing = [table.name for table in tables_of(path) if table.name not in there]
    return f"it lacks {', '.join(missing)}" if missing and version == VERSION else None


def interrupted(folder: Path) -> bool:
    """Whether a repair was interrupted."""
    return any(True for _ in _begun(folder))


def unclean(folder: Path) -> frozenset[Path]:
    """The databases that were not closed: what was written last may be torn."""
    return frozenset(path for path in databases(folder) if weight(path) > path.stat().st_size)


def diagnosis(suspects: Collection[Path]) -> str | None:
    """What is wrong with a store, and what to do; None where none of the suspects is damaged.

    Raises:
        ConfigurationError: one of them is of another layout, or cannot be opened.
    """
    for path in sorted(suspects):
        if (problem := damage(path)) is not None:
            return f"{path.name} is damaged ({problem}); {DOCTOR}"
    return None


# -- looking --------------------------------------------------------------------------------------------


def _examine(path: Path) -> Finding:
    problem = damage(path)
    count = 0
    lost: list[str] = []
    unreadable: list[str] = []
    for table, row in readable(path, twice=False):
        count += 1
        if (why := table.lost(row)) is not None:
            lost.append(why)
        elif (why := table.unreadable(row)) is not None:
            unreadable.append(why)
    return Finding(path, count, problem, tuple(lost), tuple(unreadable))


# -- rebuilding -----------------------------------------------------------------------------------------


def _rebuild(path: Path, now: int) -> Kept:
    half = path.with_name(f"{path.name}.half")
    remove(half)  # what an interrupted repair has begun: nothing of it is anywhere used
    create(half, schema_of(path))
    lost: dict[str, None] = {}
    count = 0
    with contextlib.closing(connect(half, writing=True)) as target:
        target.execute("BEGIN")
        for table, row in readable(path, twice=damage(path) is not None):
            if (why := table.lost(row)) is not None:
                lost[why] = None
            else:
                count += _insert(target, table, row, lost)
        target.execute("COMMIT")
        if path.name == "deliveries.sqlite":
            if not is_whole(path, "exceptions"):  # below a watermark, what has no row counts as delivered
                target.execute("DELETE FROM watermarks")
            known = target.execute("SELECT count(*) FROM watermarks").fetchone()[0]
            lost |= {} if known else {_FORGOTTEN: None}
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    new = path.with_name(f"{path.name}.new-{now}")
    half.rename(new)
    sync(path.parent)
    return Kept(path, _take_place(new), count, tuple(lost))


def _insert(target: sqlite3.Connection, table: Table, row: Row, lost: dict[str, None]) -> int:
    places = ", ".join("?" * len(table.columns))
    columns = ", ".join(table.columns)
    try:
        return target.execute(
            f"INSERT OR IGNORE INTO {table.name} ({columns}) VALUES ({places})",  # noqa: S608 -- our own names
            row,
        ).rowcount
    except sqlite3.IntegrityError as error:  # a value of another type than the column's
        lost[f"{table.name} {row[: len(table.key)]}: {error}"] = None
        return 0


def _begun(folder: Path) -> Iterator[Path]:
    """The new databases that have not taken their place."""
    yield from sorted(folder.glob("*.sqlite.new-*"))
    yield from sorted((folder / "events").glob("*.sqlite.new-*"))


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
