"""What `router doctor` rests on: what is broken is told, what can be read is kept, and nothing is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.errors import ConfigurationError
from router.store.base import Record, Tally
from router.store.layout import VERSION, connect
from router.store.ledger import Limits
from router.store.lock import FolderInUseError
from router.store.repair import examine, repair
from router.store.sqlite import SqliteStore
from tests.store.damage import HEADER, PAGE, change, is_told, sequences_in, tear
from tests.store.support import (
    EPOCH,
    FakeClock,
    Open,
    OpenLimited,
    aged,
    claim,
    crashed,
    dead,
    dead_letters,
    drain,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def left(left: list[int], folder: Path) -> list[int]:
    """Likewise, as an older router has left it: with databases of what was accepted."""
    aged(folder)
    return left


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
            pytest.param(lambda path: change(path, "DROP INDEX events_by_time"), id="without its index"),
            pytest.param(
                lambda path: change(path, "ALTER TABLE events RENAME COLUMN record TO recorb"), id="misnamed"
            ),
        ],
    )
    async def test_what_is_damaged_is_named(
        self, left: list[int], folder: Path, opened: Open, spoil: Callable[[Path], None]
    ) -> None:
        [events] = segments_of(folder)
        spoil(events)
        damaged = [finding for finding in examine(folder).databases if finding.damage is not None]
        assert [finding.path for finding in damaged] == [events]

    async def test_an_index_that_does_not_agree_with_its_table(self, left: list[int], folder: Path) -> None:
        """SQLite's quick check does not see it, and cannot write to it."""
        [events] = segments_of(folder)
        with contextlib.closing(sqlite3.connect(events)) as database:
            database.executescript(
                f"""CREATE INDEX other ON events (received, fingerprint) WHERE sequence <> {left[7]};
                PRAGMA writable_schema = ON;
                UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'other')
                WHERE name = 'events_by_time';
                DELETE FROM sqlite_schema WHERE name = 'other'"""
            )
        assert "missing from index events_by_time" in str(examine(folder).databases[0].damage)
        assert [kept.rows for kept in repair(folder, EPOCH)] == [200]
        assert examine(folder).sound


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

    async def test_nothing_stands_where_something_must(self, left: list[int], folder: Path) -> None:
        [events] = segments_of(folder)
        schema = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'routes      BLOB"
        for script in (
            f"{schema} NOT NULL', 'routes BLOB')",
            f"UPDATE events SET routes = NULL WHERE sequence = {left[30]}",
        ):
            with contextlib.closing(sqlite3.connect(events)) as database:
                database.executescript(script)
        [kept] = repair(folder, EPOCH)
        assert kept.rows == 199
        [why] = kept.lost
        assert why.startswith(f"event {left[30]}: where it goes cannot be read")

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
        left = crashed(folder)
        aged(left)
        log = segments_of(left)[0].with_name(f"{segments_of(left)[0].name}-wal")
        with contextlib.closing(connect(segments_of(left)[0], writing=True)) as database:
            database.execute("UPDATE events SET received = received + 1")
            assert log.stat().st_size > 40_000
            database.execute(f"UPDATE events SET routes = x'c1' WHERE sequence = {sequences[5]}")
            content = log.read_bytes()
            shutil.copy(log, log.with_name("log"))
        log.write_bytes(content)
        [kept] = repair(left, EPOCH)
        assert kept.rows == 299
        assert not log.exists()
        assert await sequences_of(opened(left)) == sequences[:5] + sequences[6:]


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
    victim=st.sampled_from(["events", "log", "deliveries"]),
)
@example(damages=[(8840, b"\x11")], victim="events")  # an index that does not agree with its table
@example(damages=[(3948, b" ")], victim="events")  # a column by another name
@example(damages=[(3876 - HEADER, b"\xff")], victim="events")  # a comment that is no text
@settings(max_examples=25, deadline=None)
def test_whatever_is_damaged_the_store_opens_after_a_repair_and_tells_no_lies(
    damages: list[tuple[int, bytes]], victim: str
) -> None:
    with tempfile.TemporaryDirectory() as parent:
        asyncio.run(_damaged(Path(parent) / "data", damages, victim))


@asynccontextmanager
async def _opened(folder: Path, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    """A store that is closed also where a test fails: other tests count what is open."""
    store = SqliteStore(folder, clock)
    try:
        yield store
    finally:
        await store.close()


async def _damaged(folder: Path, damages: list[tuple[int, bytes]], victim: str) -> None:
    stored: dict[int, Record] = {}
    clock = FakeClock()
    async with _opened(folder, clock) as store:
        for number in range(0, 200, 20):
            records = [record("a", name=str(number + part), data=b'"%0800d"' % number) for part in range(20)]
            stored.update(zip(await store.append(records), records, strict=True))
        await store.settle([retrying(delivery, EPOCH) for delivery in await claim(store, "a", 50)])
        await store.remember("v1", "text")
    if victim == "events":
        aged(folder)
    path = folder / "deliveries.sqlite" if victim == "deliveries" else segments_of(folder)[0]
    content = bytearray(path.read_bytes())
    for at, noise in damages:
        start = HEADER + at % (len(content) - HEADER)
        content[start : start + len(noise)] = noise[: len(content) - start]
    path.write_bytes(content)
    kept = repair(folder, EPOCH)
    assert examine(folder).sound
    if victim != "deliveries" and kept:
        gone = stored.keys() - sequences_in(path)
        assert all(is_told(kept[0].missing, sequence) for sequence in gone), (gone, kept[0].missing)
    async with _opened(folder, clock) as store:
        found = [one async for one in store.scan()]
        assert {one.sequence for one in found} <= stored.keys()
        await store.due(EPOCH)
        claimed = await drain(store, "a")
        await store.settle([dead(delivery) for delivery in claimed])
        await store.remember("v2", "text")
        assert await store.recall("v2") == "text"
        buried = {letter.delivery.sequence for letter in await dead_letters(store)}
        assert buried >= {delivery.sequence for delivery in claimed}
        [new] = await store.append([record("a", name="new")])
        assert new not in stored
    assert examine(folder).sound


async def test_many_segments_one_damaged(limited: OpenLimited, folder: Path, clock: FakeClock) -> None:
    store = limited(folder, Limits(bytes=1))
    sequences = [at for _ in range(5) for at in await store.append([record("a")] * 2)]
    await store.close()
    segments_of(folder)[2].write_bytes(b"no database at all" * 1_000)
    [kept] = repair(folder, EPOCH)
    assert kept.path == segments_of(folder)[2]
    found = await sequences_of(limited(folder, Limits(bytes=1)))
    assert found == sequences[:4] + sequences[6:]
