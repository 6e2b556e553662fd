"""What `router doctor` rests on: what is broken is told, what can be read is kept, and nothing is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigurationError
from router.store.base import Record, Tally
from router.store.layout import VERSION
from router.store.ledger import Limits
from router.store.lock import FolderInUseError
from router.store.repair import examine, losses, repair
from router.store.salvage import Gap, Missing, Undelivered
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    FakeClock,
    Open,
    OpenLimited,
    claim,
    crashed,
    dead,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio

PAGE = 4096

HEADER = 100
"""Bytes of a database's header: noise in it may make it another program's, or another layout's."""


def tear(path: Path, first: int, count: int = 1) -> None:
    """Overwrite pages, the first of which is 0."""
    content = bytearray(path.read_bytes())
    assert len(content) >= (first + count) * PAGE
    content[first * PAGE : (first + count) * PAGE] = b"\xa5" * count * PAGE
    path.write_bytes(content)


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def sequences_in(path: Path) -> set[int]:
    """The events that a database has."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {at for (at,) in database.execute("SELECT sequence FROM events NOT INDEXED")}


def is_told(missing: Missing | None, sequence: int) -> bool:
    """Whether an event stood where something is said to be lost."""
    assert missing is not None
    return any(gap.first <= sequence and (gap.last is None or sequence <= gap.last) for gap in missing.gaps)


def leaves(path: Path, name: str) -> list[int]:
    """The leaf pages of a table or an index, the first page being 0."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT pageno - 1 FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (name,)
        )
        return [page for (page,) in found]


@pytest.fixture
async def left(store: SqliteStore, folder: Path) -> list[int]:
    """A store of 200 events for `a` and `b`: `a` has a dead letter, a retry and 10 delivered."""
    sequences = await store.append([record("a", "b", name=str(number)) for number in range(200)])
    one, two, *others = await claim(store, "a", 12)
    await store.settle([dead(one), retrying(two, EPOCH), *map(delivered, others)])
    await store.remember("v1", "text")
    await store.close()
    return list(sequences)


class TestExamining:
    async def test_a_sound_store(self, left: list[int], folder: Path) -> None:
        found = examine(folder)
        assert found.sound
        assert found.holder is None
        assert {finding.path.name: finding.rows for finding in found.databases} == {
            f"{left[0]}.sqlite": 200,
            "kept.sqlite": 0,
            "deliveries.sqlite": 2 + 3 + 1,
        }
        assert repair(folder, EPOCH) == ()

    async def test_beside_a_running_router(self, left: list[int], folder: Path, opened: Open) -> None:
        store = opened(folder)
        found = examine(folder)
        assert "is in use by process" in str(found.holder)
        assert found.sound
        await store.append([record("a")])
        with pytest.raises(FolderInUseError):
            repair(folder, EPOCH)

    async def test_records_that_cannot_be_read_are_named_and_kept(
        self, left: list[int], folder: Path
    ) -> None:
        [events] = segments_of(folder)
        change(events, f"UPDATE events SET record = x'c1' WHERE sequence = {left[7]}")
        [finding, *_] = examine(folder).databases
        assert (len(finding.unreadable), finding.sound) == (1, True)
        assert finding.unreadable[0].startswith(f"event {left[7]}: MessagePack")

    @pytest.mark.parametrize("name", ["nothing", "file"])
    async def test_what_holds_no_store(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        for ask in (examine, lambda folder: repair(folder, EPOCH)):
            with pytest.raises(ConfigurationError, match=f"{name} holds no store"):
                ask(tmp_path / name)
        assert not (tmp_path / "nothing").exists()

    async def test_a_store_of_another_layout_is_not_touched(self, left: list[int], folder: Path) -> None:
        [events] = segments_of(folder)
        change(events, f"PRAGMA user_version = {VERSION + 1}")
        for ask in (examine, lambda folder: repair(folder, EPOCH)):
            with pytest.raises(ConfigurationError, match=r"another version of this router"):
                ask(folder)

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda path: tear(path, 2), id="torn"),
            pytest.param(lambda path: path.write_bytes(b"no database at all" * 1_000), id="none"),
            pytest.param(lambda path: path.write_bytes(path.read_bytes()[: 5 * PAGE]), id="cut"),
            pytest.param(lambda path: change(path, "DROP TABLE originals"), id="lacking"),
        ],
    )
    async def test_what_is_damaged_is_named(
        self, left: list[int], folder: Path, opened: Open, spoil: Callable[[Path], None]
    ) -> None:
        [events] = segments_of(folder)
        spoil(events)
        damaged = [finding for finding in examine(folder).databases if finding.damage is not None]
        assert [finding.path for finding in damaged] == [events]


class TestRepair:
    async def test_what_stands_around_the_damage_is_kept(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [events] = segments_of(folder)
        tear(events, events.stat().st_size // PAGE // 2)
        with pytest.raises(ConfigurationError, match=r"is damaged .*; run `router doctor`, which keeps"):
            opened(folder)
        before = events.read_bytes()
        [kept] = repair(folder, EPOCH)
        assert kept.path == events
        assert kept.broken.name == f"{left[0]}.sqlite.broken-{EPOCH:.0f}"
        assert kept.broken.read_bytes() == before
        assert examine(folder).sound
        store = opened(folder)
        found = await sequences_of(store)
        assert 150 < kept.rows == len(found) < 200
        assert {left[0], left[-1]} < set(found) < set(left)
        assert [delivery.sequence for delivery in await drain(store, "b")] == found
        assert await store.recall("v1") == "text"

    async def test_deliveries_of_what_is_lost_become_dead_letters(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [events] = segments_of(folder)
        events.write_bytes(b"")  # it was just begun, for all that one can see: a start makes a new one
        store = opened(folder)
        await store.due(EPOCH)
        assert await drain(store, "a") == []
        assert [letter.delivery.sequence for letter in await dead_letters(store, "a")] == left[:2]

    async def test_a_segment_that_is_no_database_begins_anew(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [events] = segments_of(folder)
        events.write_bytes(b"no database at all" * 1_000)
        [kept] = repair(folder, EPOCH)
        assert kept.rows == 0
        store = opened(folder)
        [sequence] = await store.append([record("b")])
        assert keys(await drain(store, "b")) == [(sequence, "")]

    async def test_where_an_event_goes_must_be_readable(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [events] = segments_of(folder)
        change(events, f"UPDATE events SET routes = x'c1' WHERE sequence = {left[30]}")
        [finding, *_] = examine(folder).databases
        assert not finding.sound
        [why] = finding.lost
        assert why.startswith(f"event {left[30]}: where it goes cannot be read")
        with pytest.raises(ConfigurationError, match="run `router doctor`"):
            opened(folder)
        [kept] = repair(folder, EPOCH)
        assert (kept.lost, kept.rows) == ((why,), 199)
        found = await sequences_of(opened(folder))
        assert found == left[:30] + left[31:]

    async def test_dead_letters_that_cannot_be_read_are_delivered_again(
        self, folder: Path, opened: Open
    ) -> None:
        """Below a watermark, what has no row counts as delivered: so without all rows there is none."""
        store = opened(folder)
        sequences = await store.append([record("a", name=str(number)) for number in range(400)])
        await store.settle([dead(one) for one in await claim(store, "a", 400)])
        await store.close()
        deliveries = folder / "deliveries.sqlite"
        change(deliveries, "PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.closing(sqlite3.connect(deliveries)) as database:
            (page,) = database.execute(
                "SELECT pageno FROM dbstat WHERE name = 'exceptions' AND pagetype = 'leaf' LIMIT 1 OFFSET 3"
            ).fetchone()
        tear(deliveries, page - 1)
        [kept] = repair(folder, EPOCH)
        assert kept.lost == (
            "what was delivered and what was not: everything in the archive is delivered again",
        )
        store = opened(folder)
        again = [delivery.sequence for delivery in await drain(store, "a")]
        still_dead = [letter.delivery.sequence for letter in await dead_letters(store, "a")]
        assert sorted(again + still_dead) == list(sequences)
        assert again
        assert still_dead

    async def test_what_became_of_deliveries(self, left: list[int], folder: Path, opened: Open) -> None:
        deliveries = folder / "deliveries.sqlite"
        with contextlib.closing(sqlite3.connect(deliveries)) as database:
            [root] = database.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'exceptions'"
            ).fetchone()
        tear(deliveries, root - 1)
        with pytest.raises(ConfigurationError, match=r"deliveries.sqlite is damaged"):
            opened(folder)
        [kept] = repair(folder, EPOCH)
        assert kept.path == deliveries
        store = opened(folder)
        assert await store.tally() == {"a": Tally(pending=200), "b": Tally(pending=200)}

    async def test_without_watermarks_all_is_delivered_again(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        (folder / "deliveries.sqlite").write_bytes(b"no database at all" * 1_000)
        [kept] = repair(folder, EPOCH)
        assert kept.lost == (
            "what was delivered and what was not: everything in the archive is delivered again",
        )
        assert await opened(folder).tally() == {"a": Tally(pending=200), "b": Tally(pending=200)}

    async def test_a_log_is_read_with_its_database_and_goes_with_it(
        self, store: SqliteStore, folder: Path, opened: Open
    ) -> None:
        sequences = [at for _ in range(3) for at in await store.append([record("a")] * 100)]
        left = crashed(folder)  # with all of it in the log still
        change(folder / "deliveries.sqlite", "SELECT 1")
        log = segments_of(left)[0].with_name(f"{segments_of(left)[0].name}-wal")
        assert log.stat().st_size > 50_000
        with contextlib.closing(sqlite3.connect(segments_of(left)[0])) as database:
            database.execute(f"UPDATE events SET routes = x'c1' WHERE sequence = {sequences[5]}")
            database.commit()
            content = log.read_bytes()
            shutil.copy(log, log.with_name("log"))
        log.write_bytes(content)
        [kept] = repair(left, EPOCH)
        assert kept.rows == 299
        assert not log.exists()
        assert await sequences_of(opened(left)) == sequences[:5] + sequences[6:]

    async def test_a_store_that_was_torn_while_it_was_open(
        self, store: SqliteStore, folder: Path, opened: Open
    ) -> None:
        """It is not closed, so the start looks at what was written last, and finds it before anybody else."""
        await store.append([record("a")] * 500)
        store_log = segments_of(folder)[0]
        with contextlib.closing(sqlite3.connect(store_log)) as database:
            database.execute("PRAGMA wal_checkpoint(FULL)")
        await store.append([record("a")])
        left = crashed(folder)
        [events] = segments_of(left)
        tear(events, events.stat().st_size // PAGE // 2)
        with pytest.raises(ConfigurationError, match=rf"{events.name} is damaged"):
            opened(left)


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


class TestInterrupted:
    async def states(self, left: list[int], folder: Path, step: int) -> tuple[Path, Path]:
        """A repair that was killed after so many of its last steps."""
        [events] = segments_of(folder)
        tear(events, 6)
        done = Path(shutil.copytree(folder, folder.with_name("done")))
        [kept] = repair(done, EPOCH)
        new = events.with_name(f"{events.name}.new-{EPOCH:.0f}")
        shutil.copy(kept.path, new)
        log = events.with_name(f"{events.name}-wal")
        log.write_bytes(b"old")
        if step >= 1:
            log.rename(events.with_name(f"{kept.broken.name}-wal"))
        if step >= 2:
            events.rename(events.with_name(kept.broken.name))
        return events, done

    @pytest.mark.parametrize("step", [0, 1, 2])
    async def test_no_store_opens_and_the_next_repair_goes_on(
        self, left: list[int], folder: Path, opened: Open, step: int
    ) -> None:
        events, done = await self.states(left, folder, step)
        with pytest.raises(ConfigurationError, match="was interrupted; run `router doctor`"):
            opened(folder)
        assert not examine(Path(shutil.copytree(folder, folder.with_name("copy")))).sound
        assert repair(folder, EPOCH + 60) == ()
        names = sorted(path.name for path in (folder / "events").iterdir())
        broken = f"{events.name}.broken-{EPOCH:.0f}"
        assert names == sorted([events.name, broken, f"{broken}-wal", "kept.sqlite"])
        assert examine(folder).sound
        assert await sequences_of(opened(folder)) == await sequences_of(opened(done))

    async def test_half_a_database_is_begun_again(self, left: list[int], folder: Path, opened: Open) -> None:
        [events] = segments_of(folder)
        half = events.with_name(f"{events.name}.half")
        half.write_bytes(b"half")
        store = opened(folder)
        assert await sequences_of(store) == left
        await store.close()
        tear(events, 6)
        repair(folder, EPOCH)
        assert not half.exists()
        assert examine(folder).sound


@given(
    damages=st.lists(
        st.tuples(st.integers(0, 400_000), st.binary(min_size=1, max_size=300)), min_size=1, max_size=4
    ),
    victim=st.sampled_from(["events", "deliveries"]),
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_damaged_the_store_opens_after_a_repair_and_tells_no_lies(
    damages: list[tuple[int, bytes]], victim: str
) -> None:
    with tempfile.TemporaryDirectory() as parent:
        asyncio.run(_damaged(Path(parent) / "data", damages, victim))


async def _damaged(folder: Path, damages: list[tuple[int, bytes]], victim: str) -> None:
    stored: dict[int, Record] = {}
    clock = FakeClock()
    store = SqliteStore(folder, clock)
    for number in range(0, 200, 20):
        records = [record("a", name=str(number + part), data=b'"%0800d"' % number) for part in range(20)]
        stored.update(zip(await store.append(records), records, strict=True))
    await store.settle([retrying(delivery, EPOCH) for delivery in await claim(store, "a", 50)])
    await store.close()
    path = segments_of(folder)[0] if victim == "events" else folder / "deliveries.sqlite"
    content = bytearray(path.read_bytes())
    for at, noise in damages:
        start = HEADER + at % (len(content) - HEADER)
        content[start : start + len(noise)] = noise[: len(content) - start]
    path.write_bytes(content)
    kept = repair(folder, EPOCH)
    assert examine(folder).sound
    if victim == "events" and kept:
        gone = stored.keys() - sequences_in(path)
        assert all(is_told(kept[0].missing, sequence) for sequence in gone), (gone, kept[0].missing)
    store = SqliteStore(folder, clock)
    found = [one async for one in store.scan()]
    assert {one.sequence for one in found} <= stored.keys()
    await store.due(EPOCH)
    await drain(store, "a")
    await store.close()


async def test_many_segments_one_damaged(limited: OpenLimited, folder: Path, clock: FakeClock) -> None:
    store = limited(folder, Limits(bytes=1))
    sequences = [at for _ in range(5) for at in await store.append([record("a")] * 2)]
    await store.close()
    segments_of(folder)[2].write_bytes(b"no database at all" * 1_000)
    [kept] = repair(folder, EPOCH)
    assert kept.path == segments_of(folder)[2]
    found = await sequences_of(limited(folder, Limits(bytes=1)))
    assert found == sequences[:4] + sequences[6:]


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
