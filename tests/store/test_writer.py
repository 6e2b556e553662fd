"""The thread that writes: groups, failures, and the end."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from router.store.base import StoreError
from router.store.layout import create
from router.store.ledger import Database, Statement, Statements
from router.store.writer import GroupWriter
from tests.store.support import PATIENCE

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.sqlite"


@pytest.fixture
def commits() -> list[int]:
    return []


@pytest.fixture
async def writer(path: Path, commits: list[int]) -> AsyncIterator[GroupWriter[Statements]]:
    writer = GroupWriter(Counting(numbers(path), commits), "test")
    yield writer
    await anyio.to_thread.run_sync(writer.close)


class Counting:
    """A ledger that counts what it commits at a time."""

    def __init__(self, ledger: Database, commits: list[int]) -> None:
        self._ledger = ledger
        self._commits = commits
        self.rest, self.close = ledger.rest, ledger.close

    def commit(self, group: Sequence[Statements]) -> None:
        self._ledger.commit(group)
        self._commits.append(len(group))


def numbers(path: Path) -> Database:
    create(path, "CREATE TABLE numbers (n PRIMARY KEY)")
    return Database(path)


def insert(*numbers: object) -> list[Statement]:
    return [("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers])]


def stored(path: Path) -> list[object]:
    connection = sqlite3.connect(path)
    try:
        return [number for (number,) in connection.execute("SELECT n FROM numbers ORDER BY n")]
    finally:
        connection.close()


async def test_it_is_on_disk_when_the_wait_ends(writer: GroupWriter[Statements], path: Path) -> None:
    await writer.submit(insert(1))
    assert stored(path) == [1]


async def test_what_gathers_is_committed_as_one_group(
    writer: GroupWriter[Statements], path: Path, commits: list[int]
) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(500):
            tasks.start_soon(writer.submit, insert(number))
    assert stored(path) == list(range(500))
    assert len(commits) < 100


async def test_committed_is_called_in_order_before_the_wait_ends(writer: GroupWriter[Statements]) -> None:
    seen: list[object] = []

    async def submit(number: int) -> None:
        await writer.submit(insert(number), lambda: seen.append(number))
        seen.append(f"end of {number}")

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(submit, number)
    assert [entry for entry in seen if isinstance(entry, int)] == list(range(100))
    assert all(seen.index(number) < seen.index(f"end of {number}") for number in range(100))


async def test_a_failed_group_is_taken_back_whole_and_the_next_one_works(
    writer: GroupWriter[Statements], path: Path
) -> None:
    await writer.submit(insert(1))
    called: list[int] = []
    with pytest.raises(StoreError, match="the store cannot be written: UNIQUE"):
        await writer.submit([*insert(2), *insert(1)], lambda: called.append(1))
    await writer.submit(insert(3))
    assert stored(path) == [1, 3]
    assert called == []


async def test_a_damaged_database_is_no_passing_trouble(path: Path) -> None:
    """Its index leads to pages of the table: what reads it may not notice, what writes does."""
    numbers(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            """PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE type = 'table')
            WHERE type = 'index'"""
        )
    writer = GroupWriter(Database(path), "test")
    try:
        with pytest.raises(StoreError, match="malformed; stop the router, and run `router doctor`"):
            await writer.submit(insert(1))
    finally:
        await anyio.to_thread.run_sync(writer.close)


@pytest.mark.parametrize("value", ["\ud800", 2**64, object()], ids=["surrogate", "integer", "object"])
async def test_what_no_database_can_hold_does_not_end_the_thread(
    writer: GroupWriter[Statements], path: Path, value: object
) -> None:
    with anyio.fail_after(PATIENCE):
        with pytest.raises(StoreError):
            await writer.submit(insert(1, value))
        await writer.submit(insert(2))
    assert stored(path) == [2]


async def test_cancelling_the_wait_does_not_take_it_back(writer: GroupWriter[Statements], path: Path) -> None:
    called: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await writer.submit(insert(1), lambda: called.append(1))
    await writer.submit(insert(2))
    assert stored(path) == [1, 2]
    assert called == [1]


async def test_closing_commits_what_was_submitted_and_takes_no_more(path: Path) -> None:
    writer = GroupWriter(numbers(path), "test")
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(writer.submit, insert(number))
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(writer.close)
    with pytest.raises(StoreError, match="closed"):
        await writer.submit(insert(50))
    assert stored(path) == list(range(50))


async def test_the_event_loop_is_free_while_the_disk_is_busy(path: Path) -> None:
    writer = GroupWriter(numbers(path), "test")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    finished: list[int] = []

    async def submit() -> None:
        await writer.submit(insert(1))
        finished.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(submit)
        await anyio.wait_all_tasks_blocked()
        assert finished == []  # and we run: nothing blocks us
        other.execute("COMMIT")
    other.close()
    await anyio.to_thread.run_sync(writer.close)
    assert finished == [1]
