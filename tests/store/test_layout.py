from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.store.layout import (
    VERSION,
    Segment,
    Segments,
    connect,
    covering,
    create,
    find,
    make_folder,
    remove,
)
from router.store.log.writing import create as create_log
from router.store.sqlite import SqliteStore
from tests.store.support import EPOCH, FakeClock, claim, drain, files_of, keys, record

SCHEMA = "CREATE TABLE numbers (n INTEGER PRIMARY KEY)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data" / "events")
    return tmp_path / "data"


def test_a_new_store_is_made_and_found_again(folder: Path) -> None:
    segments, deliveries = find(folder)
    assert (segments.all, deliveries) == ((), folder / "deliveries.sqlite")
    older = folder / "events" / "7.sqlite"
    create(older, SCHEMA)
    create_log(segments.path(30), 30)
    again, _ = find(folder)
    assert again.all == (Segment(7, older), Segment(30, segments.path(30)))
    assert [segment.is_log for segment in again.all] == [False, True]


def test_nobody_else_may_read_it(folder: Path) -> None:
    segments, deliveries = find(folder)
    with closing(sqlite3.connect(deliveries)) as connection:
        connection.execute("INSERT INTO configurations VALUES ('v', 'text')")
        connection.commit()
        made = [segments.kept, deliveries, folder / "deliveries.sqlite-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@pytest.mark.anyio
async def test_nor_what_it_holds(folder: Path, clock: FakeClock) -> None:
    store = SqliteStore(folder, clock)
    await store.append([record("a")])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in files_of(folder)}
    assert modes == {0o600}
    await store.close()


@pytest.mark.parametrize("name", ["events/5.sqlite", "events/kept.sqlite", "deliveries.sqlite"])
@pytest.mark.parametrize("version", [1, VERSION + 1])
def test_a_store_of_another_layout_is_refused(folder: Path, name: str, version: int) -> None:
    create(folder / "events" / "5.sqlite", SCHEMA)
    find(folder)
    with closing(sqlite3.connect(folder / name)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(
        ConfigurationError, match=rf"{name} .* \(layout {version}, this one knows {VERSION}\); run"
    ):
        find(folder)


def test_a_database_that_is_none_of_the_stores_is_named(folder: Path) -> None:
    (folder / "events" / "copy of 5.sqlite").touch()
    with pytest.raises(
        ConfigurationError, match=r"events holds copy of 5.sqlite, which is no part of a store"
    ):
        find(folder)


@pytest.mark.parametrize("content", [b"", None], ids=["empty", "without tables"])
def test_a_database_that_was_just_begun_when_the_power_went_is_finished(
    folder: Path, content: bytes | None
) -> None:
    path = folder / "5.sqlite"
    if content is None:
        path.touch()
        connect(path, writing=True).close()
    else:
        path.write_bytes(content)
    create(path, SCHEMA)
    with closing(connect(path, writing=False)) as connection:
        assert connection.execute("SELECT * FROM numbers").fetchall() == []


def test_a_log_without_its_database_is_removed(folder: Path) -> None:
    create(folder / "events" / "5.sqlite", SCHEMA)
    orphans = [folder / "events" / f"3.sqlite-{end}" for end in ("wal", "shm")]
    for path in orphans:
        path.touch()
    find(folder)
    assert not [path for path in orphans if path.exists()]
    assert (folder / "events" / "5.sqlite").exists()


@pytest.mark.parametrize("name", ["5.log.half", "5.log.half.half"], ids=["begun", "repaired"])
def test_a_segment_that_was_just_begun_when_the_power_went_is_none(folder: Path, name: str) -> None:
    half = folder / "events" / name
    half.touch()
    segments, _ = find(folder)
    assert segments.all == ()
    assert not half.exists()


def test_what_is_gone_stays_gone(folder: Path) -> None:
    path = folder / "5.sqlite"
    create(path, SCHEMA)
    with closing(connect(path, writing=True)) as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
        remove(path)
    for writing in (True, False):
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            connect(path, writing=writing)
    assert list(folder.glob("5.*")) == []


@pytest.mark.parametrize("name", ["5.log", "5.sqlite"])
def test_what_was_removed_does_not_come_back_when_the_power_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.touch()
    synced: list[tuple[Path, bool]] = []
    fsync = os.fsync

    def telling(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), path.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", telling)
    remove(path)
    assert synced == [(tmp_path, False)]


def test_who_reads_cannot_write(folder: Path) -> None:
    create(folder / "5.sqlite", SCHEMA)
    with (
        closing(connect(folder / "5.sqlite", writing=False)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO numbers VALUES (1)")


def test_a_folder_with_odd_characters_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "50% of ?what #1"
    folder.mkdir()
    create(folder / "5.sqlite", SCHEMA)
    with closing(connect(folder / "5.sqlite", writing=True)) as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
    assert [path.name for path in folder.iterdir()] == ["5.sqlite"]


class TestSegments:
    @staticmethod
    def of(*firsts: int) -> tuple[Segment, ...]:
        return tuple(Segment(first, Path(str(first))) for first in firsts)

    @pytest.mark.parametrize(
        ("first", "last", "firsts"),
        [
            (0, 9, []),
            (0, 10, [10]),
            (10, 19, [10]),
            (15, 15, [10]),
            (19, 20, [10, 20]),
            (20, 29, [20]),
            (25, 99, [20, 30]),
            (40, 50, [30]),
            (0, 99, [10, 20, 30]),
        ],
    )
    def test_those_that_can_hold_a_range(self, first: int, last: int, firsts: list[int]) -> None:
        assert covering(self.of(10, 20, 30), first, last) == self.of(*firsts)

    def test_none_hold_nothing(self) -> None:
        assert covering((), 0, 99) == ()

    def test_they_stand_in_order_whatever_the_number_of_digits(self, folder: Path) -> None:
        for first in (100, 9, 20):
            create(folder / "events" / f"{first}.sqlite", SCHEMA)
        segments = Segments(folder / "events")
        assert [segment.first for segment in segments.all] == [9, 20, 100]
        segments.add(Segment(50, segments.path(50)))
        segments.remove(segments.all[0])
        assert [segment.first for segment in segments.all] == [20, 50, 100]


@pytest.mark.anyio
async def test_memory_is_bounded_by_bytes_too_and_nothing_is_lost_by_it(
    folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.claims.BYTES_IN_MEMORY", 1_000)
    monkeypatch.setattr("router.store.claims.CHUNK_BYTES", 500)
    store = SqliteStore(folder, clock)
    large = [record("a", data=b'"%0300d"' % number) for number in range(40)]
    sequences = await store.append(large)
    assert sequences[0] == int(EPOCH * 1000) * 1000
    assert len(await claim(store, "a")) == 4  # as many as memory was given; the rest stands on disk
    assert keys(await drain(store, "a")) == [(sequence, "") for sequence in sequences[4:]]
    await store.close()
