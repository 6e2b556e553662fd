"""What a repair could not keep is told, and what it knows of the rest."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from router.store.base import Tally
from router.store.loss import losses
from router.store.missing import Gap, Undelivered
from router.store.repair import examine, repair
from router.store.sqlite import SqliteStore
from tests.store.damage import PAGE, change, is_told, leaves, sequences_in, tear
from tests.store.support import (
    EPOCH,
    FakeClock,
    Open,
    aged,
    dead_letters,
    delivered,
    drain,
    record,
    retrying,
    segments_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def left(left: list[int], folder: Path) -> list[int]:
    """Likewise, as an older router has left it: with databases of what was accepted."""
    aged(folder)
    return left


class TestMissing:
    """Which events are lost is told, and what of them was not delivered."""

    async def test_the_index_tells_which_and_how_many(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [events] = segments_of(folder)
        [first, *_] = leaves(events, "events")
        tear(events, first)
        found = examine(folder).databases[0].missing
        [kept] = repair(folder, EPOCH)
        gone = sorted(set(left) - sequences_in(events))
        assert gone[0] == left[0]
        assert kept.missing == found
        assert kept.missing is not None
        assert kept.missing.gaps == (Gap(gone[0], gone[-1], len(gone)),)
        # `a` was done with all but a dead letter and a retry; of `b` nothing was delivered.
        assert kept.missing.undelivered == (
            Undelivered("a", 2, len(gone) - 12, unsure=False),
            Undelivered("b", 0, len(gone), unsure=False),
        )
        [(trace, loss)] = losses(folder)
        assert (loss.when, loss.database, loss.missing) == (EPOCH, events.name, kept.missing)
        assert trace.stat().st_mode & 0o777 == 0o600
        letters = await dead_letters(opened(folder), "a")
        assert [letter.delivery.sequence for letter in letters] == gone[:2]
        assert "is lost" in str(letters[1].delivery.attempts[-1].error)

    async def test_who_is_led_astray_does_not_take_it_for_all(self, left: list[int], folder: Path) -> None:
        """A page is lost, and its highest key is too low: who seeks the first row passes it by."""
        [events] = segments_of(folder)
        with contextlib.closing(sqlite3.connect(events)) as database:
            [root] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
        for page in leaves(events, "events_by_time"):
            tear(events, page)
        content = bytearray(events.read_bytes())
        start = (root - 1) * PAGE
        cell = start + int.from_bytes(content[start + 12 : start + 14])  # what follows the header
        assert content[cell + 4] == 0x83  # behind the page's number: the key's highest bits
        content[cell : cell + 5] = b"\x7f\xff\xff\xff\x80"
        events.write_bytes(content)
        [kept] = repair(folder, EPOCH)
        gone = set(left) - sequences_in(events)
        assert left[0] in gone
        assert all(is_told(kept.missing, sequence) for sequence in gone)

    async def test_where_nothing_tells_how_many_that_is_said(self, left: list[int], folder: Path) -> None:
        [events] = segments_of(folder)
        rows, index = leaves(events, "events"), leaves(events, "events_by_time")
        for page in (*rows[2:4], *index):
            tear(events, page)
        [kept] = repair(folder, EPOCH)
        assert kept.missing is not None
        gone = set(left) - sequences_in(events)
        assert gone
        assert all(is_told(kept.missing, sequence) for sequence in gone)
        [gap] = kept.missing.gaps
        assert (gap.first, gap.last, gap.count) == (min(gone), max(gone), None)
        assert [one.unsure for one in kept.missing.undelivered] == [True, True]

    async def test_a_segment_of_which_nothing_is_left(self, left: list[int], folder: Path) -> None:
        [events] = segments_of(folder)
        events.write_bytes(b"no database at all" * 1_000)
        [kept] = repair(folder, EPOCH)
        assert kept.missing is not None
        assert kept.missing.gaps == (Gap(left[0], left[1], 2), Gap(left[0], left[-1], None))
        assert kept.missing.undelivered[0] == Undelivered("a", 2, 0, unsure=True)

    async def test_of_a_torn_record_it_is_known_where_it_goes(
        self, store: SqliteStore, folder: Path, opened: Open
    ) -> None:
        sequences = await store.append([record("a", data=b'"%0*d"' % (9_000, at)) for at in range(5)])
        await store.close()
        aged(folder)
        [events] = segments_of(folder)
        with contextlib.closing(sqlite3.connect(events)) as database:
            (page,) = database.execute(
                "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'overflow' LIMIT 1"
            ).fetchone()
        tear(events, page - 1)
        [kept] = repair(folder, EPOCH)
        assert not kept.missing
        assert losses(folder) == []
        store = opened(folder)
        assert len(await drain(store, "a")) == 4
        [letter] = await dead_letters(store, "a")
        assert letter.delivery.sequence in sequences

    async def test_what_outlived_its_segment_or_the_other_way_round_is_not_lost(
        self, left: list[int], folder: Path
    ) -> None:
        [events] = segments_of(folder)
        kept_path = events.with_name("kept.sqlite")
        with contextlib.closing(sqlite3.connect(kept_path)) as database, database:
            database.execute("ATTACH ? AS other", (str(events),))
            database.execute("INSERT INTO main.events SELECT * FROM other.events LIMIT 1")
        change(events, f"UPDATE events SET routes = x'c1' WHERE sequence IN ({left[0]}, {left[1]})")
        [kept] = repair(folder, EPOCH)
        assert kept.missing is not None
        assert kept.missing.gaps == (Gap(left[1], left[1], 1),)

    async def test_a_database_that_is_sound_misses_nothing(self, left: list[int], folder: Path) -> None:
        assert [finding.missing for finding in examine(folder).databases] == [None] * 3
        (folder / "deliveries.sqlite").write_bytes(b"no database at all" * 1_000)
        [kept] = repair(folder, EPOCH)
        assert kept.missing is None
        assert losses(folder) == []


class TestHalfOfWhatIsKnown:
    """Better twice than never: where a part of what became of deliveries is lost, nothing counts as done."""

    async def finish(self, folder: Path, clock: FakeClock) -> dict[str, Tally]:
        assert not examine(folder).sound
        for _ in repair(folder, 1.0):
            pass
        assert examine(folder).sound
        store = SqliteStore(folder, clock)
        tally = await store.tally()
        await store.close()
        return tally

    async def test_a_leaf_of_the_watermarks_is_torn(self, folder: Path) -> None:
        clock = FakeClock()
        store = SqliteStore(folder, clock)
        names = [f"target-with-quite-a-long-name-{number:04d}" for number in range(400)]
        await store.append([record(name) for name in names])
        for name in names:
            await store.settle([delivered(one) for one in await store.claim(name, 10)])
        await store.append([record(name) for name in names])
        await store.close()
        path = folder / "deliveries.sqlite"
        pages = leaves(path, "watermarks")
        tear(path, pages[len(pages) // 2])
        tally = await self.finish(folder, clock)
        assert all(tally[name].pending >= 1 for name in names)

    async def small(self, folder: Path, clock: FakeClock) -> SqliteStore:
        store = SqliteStore(folder, clock)
        await store.append([record("billing", "crm") for _ in range(3)])
        one, two, three = await store.claim("billing", 10)
        await store.settle([retrying(one, EPOCH + 100), delivered(two), delivered(three)])
        await store.settle([delivered(one) for one in await store.claim("crm", 10)])
        return store

    async def test_a_letter_of_a_state_is_another_one(self, folder: Path) -> None:
        clock = FakeClock()
        await (await self.small(folder, clock)).close()
        path = folder / "deliveries.sqlite"
        content = bytearray(path.read_bytes())
        content[content.index(b"retrying", leaves(path, "exceptions")[0] * PAGE) + 4] ^= 1
        path.write_bytes(content)
        assert (await self.finish(folder, clock))["billing"].pending >= 1

    async def test_a_watermark_is_no_number_any_more(self, folder: Path) -> None:
        clock = FakeClock()
        store = await self.small(folder, clock)
        await store.append([record("billing", "crm") for _ in range(5)])
        await store.close()
        path = folder / "deliveries.sqlite"
        content = bytearray(path.read_bytes())
        head = bytes([3, 13 + 2 * len("billing"), 6])  # of the record: a text, and an integer of eight bytes
        at = content.index(head + b"billing", leaves(path, "watermarks")[0] * PAGE)
        content[at + 2] = 13 + 2 * 8  # a text of eight bytes
        path.write_bytes(content)
        assert (await self.finish(folder, clock))["billing"].pending >= 5


async def test_of_a_database_that_is_cut_off_there_is_the_first_part(folder: Path) -> None:
    store = SqliteStore(folder, FakeClock())
    for number in range(0, 2_000, 100):
        await store.append([record("a", name=str(number + n)) for n in range(100)])
    await store.close()
    aged(folder)
    (path,) = segments_of(folder)
    os.truncate(path, path.stat().st_size // PAGE // 2 * PAGE)
    (kept,) = repair(folder, 1.0)
    assert kept.rows > 500
    assert kept.missing is not None
    assert examine(folder).sound
    store = SqliteStore(folder, FakeClock())
    found = [stored.record.event.id async for stored in store.scan()]
    await store.close()
    assert found == [str(number) for number in range(len(found))]
    assert len(found) > 500
