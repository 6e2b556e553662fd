"""Where a writer writes: logs stay short, and segments begin when they should."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest

from router.store import ledger, writer
from router.store.layout import Segment, Segments, connect, create, make_folder
from router.store.ledger import Database, Journal, Limits, Portion, Statements
from router.store.log import writing
from router.store.log.format import BEGIN, Columns
from router.store.log.reading import LogVolume
from router.store.log.walking import Group, LogFile
from router.store.writer import GroupWriter
from tests.store.support import EPOCH, PATIENCE

SCHEMA = "CREATE TABLE texts (text TEXT)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create(tmp_path / "texts.sqlite", SCHEMA)
    return tmp_path / "texts.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as database:
        yield database


def log_of(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def write(database: Database, bytes_: int) -> None:
    database.commit([[("INSERT INTO texts VALUES (?)", [("x" * bytes_,)])]])


class TestTheLog:
    def test_it_is_emptied_at_rest(self, database: Database, path: Path) -> None:
        write(database, 100_000)
        assert log_of(path) > 100_000
        database.rest()
        assert log_of(path) == 0
        assert path.stat().st_size > 100_000

    def test_it_stays_short_under_load(self, database: Database, path: Path) -> None:
        for _ in range(300):
            write(database, 100_000)
        assert log_of(path) < ledger.WAL_MOST / 2

    def test_a_reader_that_stands_still_is_not_waited_for_and_not_for_ever_in_the_way(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "WAL_MOST", 1_000_000)
        with closing(connect(path, writing=False)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM texts").fetchone() == (0,)
            for _ in range(30):
                write(database, 100_000)
            assert log_of(path) > 3_000_000
            database.rest()
            assert reader.execute("SELECT count(*) FROM texts").fetchone() == (0,)
            reader.execute("COMMIT")
            write(database, 1)
            assert log_of(path) < 1_000_000
            assert reader.execute("SELECT count(*) FROM texts").fetchone() == (31,)

    def test_what_was_large_once_does_not_stay_allocated(self, path: Path) -> None:
        with closing(connect(path, writing=True)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("INSERT INTO texts VALUES (?)", ("x" * 12_000_000,))
            assert log_of(path) > 12_000_000
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            connection.execute("INSERT INTO texts VALUES ('y')")
            assert log_of(path) <= 8_000_000

    def test_every_commit_is_synced(self, path: Path) -> None:
        with closing(connect(path, writing=True)) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class RestingLedger:
    """A ledger that says when it rests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.rested = threading.Semaphore(0)

    def commit(self, group: Sequence[Statements]) -> None:
        self._database.commit(group)

    def rest(self) -> None:
        self.rested.release()

    def close(self) -> None:
        pass


@pytest.mark.anyio
async def test_a_writer_lets_it_rest_once_after_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE", 0.01)
    resting = RestingLedger(database)
    group = GroupWriter(resting, "test")
    for _ in range(2):
        await group.submit([("INSERT INTO texts VALUES (?)", [("x",)])])
        assert await anyio.to_thread.run_sync(lambda: resting.rested.acquire(timeout=PATIENCE))
    assert not await anyio.to_thread.run_sync(lambda: resting.rested.acquire(timeout=0.1))
    await anyio.to_thread.run_sync(group.close)


class TestJournal:
    @pytest.fixture
    def segments(self, tmp_path: Path) -> Segments:
        make_folder(tmp_path / "events")
        return Segments(tmp_path / "events")

    @staticmethod
    def begun(segments: Segments, limits: Limits) -> Journal:
        journal = Journal(segments, limits, {})
        journal.open(1)
        return journal

    @staticmethod
    def put(journal: Journal, sequence: int, received: float, size: int = 10) -> None:
        columns = Columns([sequence], [received], [b""], [b"\x90"], [bytes(size)])
        journal.commit([Portion(sequence, received, columns)])

    @staticmethod
    def stored(segments: Segments) -> list[int]:
        found: list[int] = []
        for segment in segments.all:
            with closing(LogVolume(segment.path)) as volume:
                found += [arrival.sequence for arrival in volume.arrivals(0, 1_000, 1_000)]
        return found

    @pytest.mark.parametrize(
        ("seconds", "firsts"),
        [
            ([0, 59, 60, 61, 119, 120], [1, 3, 6]),
            ([0, -59, -60, -61, -120], [1, 3, 5]),
            ([0, 3_600, 0, 3_600], [1, 2, 3, 4]),
            ([0, 30, 0, 30, 0, 59], [1]),
        ],
        ids=["on", "back", "jumping", "trembling"],
    )
    def test_a_segment_spans_so_much_time(
        self, segments: Segments, seconds: list[float], firsts: list[int]
    ) -> None:
        with closing(self.begun(segments, Limits(seconds=60))) as journal:
            for sequence, at in enumerate(seconds, start=1):
                self.put(journal, sequence, EPOCH + at)
        assert [segment.first for segment in segments.all] == firsts

    def test_a_segment_has_so_many_bytes(self, segments: Segments) -> None:
        with closing(self.begun(segments, Limits(bytes=50_000))) as journal:
            for sequence in range(1, 31):
                self.put(journal, sequence, EPOCH, size=10_000)
        sizes = [segment.path.stat().st_size for segment in segments.all]
        assert 6 <= len(sizes) <= 9
        assert max(sizes) < 65_000

    def test_what_many_bring_is_one_group(self, segments: Segments) -> None:
        portions = [
            Portion(
                first, EPOCH, Columns([first, first + 1], [EPOCH] * 2, [b""] * 2, [b"\x90"] * 2, [b"r"] * 2)
            )
            for first in (1, 3, 9)
        ]
        with closing(self.begun(segments, Limits())) as journal:
            journal.commit([portions[0], Portion(3, EPOCH), *portions[1:]])
        assert self.stored(segments) == [1, 2, 3, 4, 9, 10]
        with closing(LogFile(segments.all[0].path)) as file:
            group, end = file.walk(BEGIN, file.size(), -1)
        assert isinstance(group, Group)
        assert isinstance(end, Group)
        assert (group.head.events, end.head.is_end) == (6, True)

    def test_an_empty_one_is_begun_by_who_comes_first(self, segments: Segments) -> None:
        with closing(self.begun(segments, Limits(seconds=60))) as journal:
            self.put(journal, 1, EPOCH + 1e6)
            self.put(journal, 2, EPOCH + 1e6 + 59)
        assert segments.all == (Segment(1, segments.path(1)),)

    def test_it_is_gone_on_with_after_a_restart(self, segments: Segments) -> None:
        for sequence in (1, 2):
            with closing(self.begun(segments, Limits())) as journal:
                self.put(journal, sequence, EPOCH)
        assert segments.all == (Segment(1, segments.path(1)),)
        assert self.stored(segments) == [1, 2]

    def test_what_cannot_be_begun_leaves_nothing(
        self, segments: Segments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(self.begun(segments, Limits(bytes=1))) as journal:
            self.put(journal, 1, EPOCH)
            monkeypatch.setattr(Path, "rename", failing)
            with pytest.raises(OSError, match="Input/output error"):
                self.put(journal, 2, EPOCH)
            monkeypatch.undo()
            assert [path.name for path in segments.folder.glob("2.*")] == []
            self.put(journal, 3, EPOCH)
        assert [segment.first for segment in segments.all] == [1, 3]

    def test_a_disk_that_has_failed_to_sync_is_trusted_with_a_new_one(
        self, segments: Segments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing of what was refused comes back, and nothing is written behind it."""
        with closing(self.begun(segments, Limits())) as journal:
            self.put(journal, 1, EPOCH)
            monkeypatch.setattr(writing, "_sync", failing)
            with pytest.raises(OSError, match="Input/output error"):
                self.put(journal, 2, EPOCH)
            monkeypatch.setattr(os, "fsync", failing)
            with pytest.raises(OSError, match="Input/output error"):
                journal.commit([Portion(3, EPOCH)])
            monkeypatch.undo()
            journal.commit([Portion(3, EPOCH)])
            self.put(journal, 3, EPOCH)
        assert [segment.first for segment in segments.all] == [1, 3]
        assert self.stored(segments) == [1, 3]


def failing(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
