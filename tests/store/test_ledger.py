"""Where a writer writes: logs stay short, and segments begin when they should."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest

from router.store import ledger, writer
from router.store.layout import Segment, Segments, connect, create, make_folder
from router.store.ledger import Beginning, Database, Journal, Limits
from router.store.queries import EVENTS
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
    database.turn_to(None).execute("INSERT INTO texts VALUES (?)", ("x" * bytes_,))


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

    def test_every_commit_is_synced(self, database: Database) -> None:
        connection = database.turn_to(None)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class RestingLedger:
    """A ledger that says when it rests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.rested = threading.Semaphore(0)

    def turn_to(self, beginning: Beginning | None) -> sqlite3.Connection:
        return self._database.turn_to(beginning)

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
        create(tmp_path / "events" / "1.sqlite", EVENTS["schema"])
        return Segments(tmp_path / "events")

    @staticmethod
    def put(journal: Journal, sequence: int, received: float, size: int = 10) -> None:
        connection = journal.turn_to(Beginning(sequence, received))
        connection.execute(EVENTS["insert_event"], (sequence, received, b"", b"\x90", bytes(size)))

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
        with closing(Journal(segments, Limits(seconds=60))) as journal:
            for sequence, at in enumerate(seconds, start=1):
                self.put(journal, sequence, EPOCH + at)
        assert [segment.first for segment in segments.all] == firsts

    def test_a_segment_has_so_many_bytes(self, segments: Segments) -> None:
        with closing(Journal(segments, Limits(bytes=50_000))) as journal:
            for sequence in range(1, 31):
                self.put(journal, sequence, EPOCH, size=10_000)
        sizes = [segment.path.stat().st_size for segment in segments.all]
        assert 6 <= len(sizes) <= 9
        assert max(sizes) < 65_000

    def test_an_empty_one_is_begun_by_who_comes_first(self, segments: Segments) -> None:
        with closing(Journal(segments, Limits(seconds=60))) as journal:
            self.put(journal, 1, EPOCH + 1e6)
            self.put(journal, 2, EPOCH + 1e6 + 59)
        assert segments.all == (Segment(1, segments.path(1)),)

    def test_what_cannot_be_begun_leaves_nothing(
        self, segments: Segments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(Journal(segments, Limits(bytes=1))) as journal:
            self.put(journal, 1, EPOCH)
            monkeypatch.setitem(EVENTS, "schema", "no SQL")
            with pytest.raises(sqlite3.OperationalError, match="syntax"):
                journal.turn_to(Beginning(2, EPOCH))
            monkeypatch.undo()
            assert [path.name for path in segments.folder.glob("2.*")] == []
            self.put(journal, 3, EPOCH)
        assert [segment.first for segment in segments.all] == [1, 3]
