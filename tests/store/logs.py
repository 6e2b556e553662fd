"""Logs of events, damaged on purpose."""

from __future__ import annotations

import contextlib
from pathlib import Path

from router.store.log.format import BEGIN
from router.store.log.walking import Group, LogFile
from router.store.sqlite import SqliteStore
from tests.store.support import EPOCH, claim, dead, delivered, record, retrying


async def leave_groups(store: SqliteStore) -> list[int]:
    """200 events for `a` and `b` in 20 groups: `a` has a dead letter, a retry and 10 delivered."""
    sequences = [
        at
        for first in range(0, 200, 10)
        for at in await store.append([record("a", "b", name=str(first + number)) for number in range(10)])
    ]
    one, two, *others = await claim(store, "a", 12)
    await store.settle([dead(one), retrying(two, EPOCH), *map(delivered, others)])
    await store.close()
    return sequences


def groups_of(path: Path) -> list[Group]:
    with contextlib.closing(LogFile(path)) as file:
        return [item for item in file.walk(BEGIN, file.size(), -1) if isinstance(item, Group)]


def overwrite(path: Path, at: int, end: int) -> None:
    content = bytearray(path.read_bytes())
    content[at:end] = b"\xa5" * (end - at)
    path.write_bytes(content)


def tear(path: Path, group: int, part: str) -> None:
    """Overwrite a group's head, what it says of its events, or its first record."""
    at, head = groups_of(path)[group]
    front = at + 60
    start = {"head": at, "front": front, "record": front + head.front}[part]
    overwrite(path, start, start + 20)
