"""A folder whose events stand in databases, as older routers have made them, simply goes on."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec
import pytest

from router.events.received import Original
from router.store.base import Record
from router.store.layout import OLDER, VERSION
from router.store.ledger import LIMITS, Limits
from router.store.repair import examine
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    FakeClock,
    OpenLimited,
    aged,
    claim,
    dead,
    dead_letters,
    delivered,
    drain,
    files_of,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio

EACH = Limits(bytes=1)
"""Every group of events gets a segment of its own."""


def received(number: int) -> Record:
    """An event that came so many seconds after the first one."""
    return msgspec.structs.replace(
        record("a", name=str(number)),
        received=EPOCH + number,
        fingerprint=b"%016d" % number,
        original=Original(b"body %d" % number, "text/plain"),
    )


@pytest.fixture
async def old(limited: OpenLimited, folder: Path) -> list[int]:
    """Twelve events in four segments: `a` has one dead, one to be tried again, and one delivered."""
    store = limited(folder, EACH)
    sequences = [
        at
        for first in range(0, 12, 3)
        for at in await store.append([received(first + number) for number in range(3)])
    ]
    one, two, three = await claim(store, "a", 3)
    await store.settle([dead(one), retrying(two, EPOCH), delivered(three)])
    await store.close()
    aged(folder)
    assert [path.suffix for path in segments_of(folder)] == [".sqlite"] * 4
    return sequences


async def test_what_is_new_goes_into_a_log(old: list[int], limited: OpenLimited, folder: Path) -> None:
    for number in (12, 13):
        store = limited(folder, LIMITS)
        old += await store.append([received(number)])
        assert await sequences_of(store) == old
        await store.close()
    assert [path.suffix for path in segments_of(folder)] == [".sqlite"] * 4 + [".log"]
    assert examine(folder).sound


async def test_it_is_no_folder_for_older_routers_any_more(
    old: list[int], limited: OpenLimited, folder: Path
) -> None:
    """One that knows no logs would take what stands in them for delivered."""
    for path in files_of(folder):
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {OLDER}")
    assert examine(folder).sound
    store = limited(folder, LIMITS)
    assert await sequences_of(store) == old
    for name in ("deliveries.sqlite", "events/kept.sqlite"):
        with contextlib.closing(sqlite3.connect(folder / name)) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)


async def test_nobody_who_asks_notices(old: list[int], limited: OpenLimited, folder: Path) -> None:
    store = limited(folder, LIMITS)
    old += await store.append([received(number) for number in range(12, 15)])
    assert [stored.record async for stored in store.scan()] == [received(number) for number in range(15)]
    for number, sequence in enumerate(old):
        stored = await store.get(sequence)
        assert stored is not None
        assert stored.record == received(number)
        assert await store.first_at(EPOCH + number) == sequence
    assert [at for at, *_ in await store.fingerprints(EPOCH + 10, 100)] == old[10:]
    assert [at for at, *_ in await store.fingerprints(EPOCH, 7)] == old[8:]
    extent = await store.extent()
    assert (extent.first, extent.last, extent.since) == (old[0], old[-1], EPOCH)


async def test_what_waits_is_delivered(old: list[int], limited: OpenLimited, folder: Path) -> None:
    store = limited(folder, LIMITS)
    new = list(await store.append([received(12)]))
    await store.due(EPOCH)
    found = await drain(store, "a")
    assert keys(found) == [(at, "") for at in [old[1], *old[3:], *new]]
    assert len(found[0].attempts) == 1
    assert [letter.delivery.sequence for letter in await dead_letters(store)] == old[:1]


async def test_they_are_let_go(old: list[int], limited: OpenLimited, folder: Path, clock: FakeClock) -> None:
    store = limited(folder, LIMITS)
    await store.settle([delivered(delivery) for delivery in await drain(store, "a")])
    clock.advance(100)
    assert await store.trim(EPOCH + 50, 10**12) == 10
    assert [path.suffix for path in segments_of(folder)] == [".log"]
    assert (await sequences_of(store))[:2] == old[:2]
    stored = await store.get(old[1])
    assert stored is not None
    assert stored.record == received(1)


async def test_an_empty_one_is_not_written_to(folder: Path, clock: FakeClock) -> None:
    store = SqliteStore(folder, clock)
    await store.close()
    aged(folder)
    store = SqliteStore(folder, clock)
    [sequence] = await store.append([record("a")])
    assert await sequences_of(store) == [sequence]
    assert [path.suffix for path in segments_of(folder)] == [".sqlite", ".log"]
    assert len({path.stem for path in segments_of(folder)}) == 2
    await store.close()
