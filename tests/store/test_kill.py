"""SIGKILL at random moments: what was acknowledged is there. And a folder has one owner, alive."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import tests.store.child
from router.clock import SystemClock
from router.store.lock import FolderInUseError, FolderLock
from router.store.sqlite import SqliteStore
from tests.store.support import (
    dead_letters,
    drain,
    record,
)

pytestmark = pytest.mark.anyio

ROUNDS = 8
ROOT = Path(__file__).parents[2]


def kept_of(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "events" / "kept.sqlite")) as database:
        return [sequence for (sequence,) in database.execute("SELECT sequence FROM events")]


@contextmanager
def child(folder: Path, work: str) -> Iterator[subprocess.Popen[str]]:
    """A child process that has opened the store; killed at the end."""
    command = [sys.executable, "-m", tests.store.child.__name__, str(folder), work]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def killed_after(folder: Path, lines: int) -> dict[str, list[int]]:
    """What a child acknowledged until it was killed; it is killed as soon as it has said so many lines."""
    said: dict[str, list[int]] = {"appended": [], "claimed": [], "dead": []}
    with child(folder, "work") as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number == lines:
                process.kill()
            if line.endswith("\n"):
                word, *numbers = line.split()
                said[word].extend(map(int, numbers))
    assert process.returncode == -9
    return said


async def test_what_was_acknowledged_is_there(folder: Path) -> None:
    lines = random.Random(7)
    appended: list[int] = []
    dead: set[int] = set()
    claimed: set[int] = set()
    for _ in range(ROUNDS):
        said = killed_after(folder, lines.randrange(1, 400))
        appended.extend(said["appended"])
        dead.update(said["dead"])
        claimed.update(said["claimed"])
    assert len(kept_of(folder)) > 0  # segments went all the time, and what `b` waits for was kept
    store = SqliteStore(folder, SystemClock())
    kept = {stored.sequence: stored.record.event.id async for stored in store.scan()}
    assert len(appended) == len(set(appended))
    assert set(appended) <= kept.keys()
    assert set(Counter(kept.values()).values()) == {3}  # no request in part
    assert dead <= {letter.delivery.sequence for letter in await dead_letters(store, "a")}
    await store.due(SystemClock().now())
    rest = [delivery.sequence for delivery in await drain(store, "a")]
    assert len(rest) == len(set(rest))
    assert not dead & set(rest)
    assert kept.keys() - claimed <= set(rest)
    assert [delivery.sequence for delivery in await drain(store, "b")] == list(kept)
    await store.close()


def test_a_folder_belongs_to_one_process(folder: Path) -> None:
    folder.mkdir()
    with child(folder, "hold") as process:
        with pytest.raises(FolderInUseError, match=f"{folder} is in use by process {process.pid}; stop"):
            FolderLock(folder)
        process.kill()
        process.wait()
        FolderLock(folder).release()


def test_a_folder_belongs_to_one_store_of_a_process(folder: Path) -> None:
    folder.mkdir()
    lock = FolderLock(folder)
    with pytest.raises(FolderInUseError):
        FolderLock(folder)
    lock.release()
    FolderLock(folder).release()


def test_a_shorter_name_leaves_nothing_of_a_longer_one(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").write_text("12345678901234567890\n")
    lock = FolderLock(folder)
    with pytest.raises(FolderInUseError, match=r"process \d{1,10};"):
        FolderLock(folder)
    lock.release()


async def test_a_second_store_is_refused_and_disturbs_nothing(folder: Path) -> None:
    store = SqliteStore(folder, SystemClock())
    with pytest.raises(FolderInUseError):
        SqliteStore(folder, SystemClock())
    [first, second] = await store.append([record("a"), record("a")])
    assert [delivery.sequence for delivery in await drain(store, "a")] == [first, second]
    await store.close()
