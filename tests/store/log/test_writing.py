"""A log that grows, on a disk that does not always do what it is told."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from router.store.log import writing
from router.store.log.checking import SECTOR, damage
from router.store.log.format import BEGIN, PAGE
from router.store.log.reading import LogVolume
from router.store.log.writing import STEP, LogWriter, create
from tests.store.log.support import FIRST, MOST, columns, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create(tmp_path / "100.log", FIRST)
    return tmp_path / "100.log"


def sequences(path: Path) -> list[int]:
    with closing(LogVolume(path)) as volume:
        return [event[0] for event in read(volume)]


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_nobody_else_may_read_it(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        create(tmp_path / "5.log", 5)
    assert list(tmp_path.iterdir()) == []


class TestSpaceThatIsSetAside:
    def test_it_is_given_back(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            assert path.stat().st_size == BEGIN + STEP
        assert path.stat().st_size == log.end

    def test_a_crash_leaves_it_and_the_next_one_takes_it(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            left = path.with_name("left.log")
            shutil.copy(path, left)
            end = log.end
        with closing(LogWriter(left, MOST)) as again:
            assert left.stat().st_size == again.end == end
            again.append(columns(FIRST + 1, b"two"))
        path = left
        assert sequences(path) == [FIRST, FIRST + 1]

    def test_no_more_than_the_segment_may_have(self, path: Path) -> None:
        with closing(LogWriter(path, BEGIN + 1_000)) as log:
            log.append(columns(FIRST, b"one"))
            assert path.stat().st_size == BEGIN + 1_000
            log.append(columns(FIRST + 1, bytes(5_000)))
            assert path.stat().st_size == log.end

    def test_where_there_is_little_room_it_takes_what_it_needs(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = BEGIN + 2_000

        def allocate(handle: int, at: int, size: int) -> None:
            if at + size > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            os.posix_fallocate(handle, at, size)

        monkeypatch.setattr(writing, "_allocate", allocate)
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            with pytest.raises(OSError, match="No space left"):
                log.append(columns(FIRST + 1, bytes(5_000)))
            log.append(columns(FIRST + 2, b"three"))
        assert sequences(path) == [FIRST, FIRST + 2]

    def test_what_a_full_disk_has_set_aside_all_the_same_is_given_back(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """ext4 sets aside piece by piece, and keeps what it could before it says that there is no more."""

        def allocate(handle: int, at: int, size: int) -> None:
            os.posix_fallocate(handle, at, min(size, 50_000))
            if size > 50_000:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(writing, "_allocate", allocate)
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            assert path.stat().st_size > log.end
        assert path.stat().st_size == log.end
        assert damage(path, thorough=True, grows=False) is None

    @pytest.mark.parametrize("allocate", [failing(errno.EOPNOTSUPP), None])
    def test_a_disk_that_cannot_is_written_to_all_the_same(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, allocate: Callable[..., None] | None
    ) -> None:
        monkeypatch.setattr(writing, "_allocate", allocate)
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            assert path.stat().st_size == log.end
        assert sequences(path) == [FIRST]


class TestFailures:
    def test_nothing_is_left_of_what_could_not_be_written(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            end = log.end
            before = os.pwrite

            def pwrite(handle: int, data: bytes, at: int) -> int:
                if at == end:
                    return before(handle, data[:50], at)
                raise OSError(errno.EIO, "Input/output error")

            monkeypatch.setattr(os, "pwrite", pwrite)
            with pytest.raises(OSError, match="Input/output error"):
                log.append(columns(FIRST + 1, b"two" * 100))
            monkeypatch.undo()
            assert (path.stat().st_size, log.end, log.tainted) == (end, end, False)
            log.append(columns(FIRST + 2, b"three"))
        assert sequences(path) == [FIRST, FIRST + 2]

    def test_a_disk_that_takes_little_at_a_time(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda handle, data, at: before(handle, data[:7], at))
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one" * 100))
        assert sequences(path) == [FIRST]

    def test_what_could_not_be_synced_does_not_come_back(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            monkeypatch.setattr(writing, "_sync", failing(errno.EIO))
            with pytest.raises(OSError, match="Input/output error"):
                log.append(columns(FIRST + 1, b"two"))
            monkeypatch.undo()
            assert log.tainted
            assert path.stat().st_size == log.end
        assert sequences(path) == [FIRST]

    def test_nor_where_it_could_not_be_cut_off_at_once(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            monkeypatch.setattr(writing, "_sync", failing(errno.EIO))
            monkeypatch.setattr(os, "ftruncate", failing(errno.EIO))
            for again in (columns(FIRST + 1, b"two"), columns(FIRST + 2, b"three")):
                with pytest.raises(OSError, match="Input/output error"):
                    log.append(again)
            with pytest.raises(OSError, match="Input/output error"):
                log.seal()
            monkeypatch.undo()
            log.seal()
            assert path.stat().st_size == log.end
        assert sequences(path) == [FIRST]

    def test_what_was_cut_off_and_could_not_be_synced_is_trusted_no_more(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To sync it again would say that all is well."""
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            monkeypatch.setattr(os, "pwrite", failing(errno.EIO))
            monkeypatch.setattr(os, "fsync", failing(errno.EIO))
            with pytest.raises(OSError, match="Input/output error"):
                log.append(columns(FIRST + 1, b"two"))
            monkeypatch.undo()
            assert log.tainted

    def test_what_is_no_event_changes_nothing(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            end = log.end
            with pytest.raises(Exception, match="argument"):
                log.append(columns(-1, b"one"))
            assert log.end == end

    def test_a_probe_leaves_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            log.probe()
            monkeypatch.setattr(writing, "_sync", failing(errno.ENOSPC))
            with pytest.raises(OSError, match="No space left"):
                log.probe()
            monkeypatch.undo()
        assert sequences(path) == [FIRST]


class TestOpening:
    def test_what_a_crash_has_left_is_cut_off_and_told(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            end = log.end
            log.append(columns(FIRST + 1, b"two" * 100))
            left = path.read_bytes()[: end + 100]
        path.write_bytes(left)
        with structlog.testing.capture_logs() as logs, closing(LogWriter(path, MOST)) as log:
            assert path.stat().st_size == log.end == end
        assert [(one["event"], one["log_level"], one["at"]) for one in logs] == [
            ("segment.cut", "warning", end)
        ]

    def test_sequences_that_were_promised_to_nobody_may_come_again(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            log.append(columns(FIRST + 1, *[b"two" * 500] * 9))
            left = path.read_bytes()
            begun = log.end // SECTOR * SECTOR
        path.write_bytes(left[:begun] + bytes(len(left) - begun))
        LogWriter(path, MOST).close()
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST + 1, b"three"))
        assert sequences(path) == [FIRST, FIRST + 1]

    def test_a_group_that_only_memory_may_have_is_put_on_disk(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever has written it was killed before it was synced, or was refused: its pages may be clean."""
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            begun = log.end
            log.append(columns(FIRST + 1, b"two"))
            left = path.read_bytes()[: log.end]
        path.write_bytes(left)
        done: list[object] = []
        write, sync = os.pwrite, os.fsync

        def writing_down(handle: int, data: bytes, at: int) -> int:
            done.append((bytes(data), at))
            return write(handle, data, at)

        def syncing(handle: int) -> None:
            done.append("sync")
            sync(handle)

        monkeypatch.setattr(os, "pwrite", writing_down)
        monkeypatch.setattr(os, "fsync", syncing)
        with closing(LogWriter(path, MOST)) as log:
            assert done == [(left[begun:], begun), "sync"]
            log.seal()
            done.clear()
            LogWriter(path, MOST).close()
            assert done == []
        assert sequences(path) == [FIRST, FIRST + 1]

    def test_space_that_was_set_aside_is_nothing_to_tell(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            left = path.read_bytes()
        path.write_bytes(left)
        with structlog.testing.capture_logs() as logs:
            LogWriter(path, MOST).close()
        assert logs == []

    def test_what_a_crash_has_left_need_not_be_readable(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
            left = path.read_bytes()
        path.write_bytes(left)
        pread = os.pread

        def torn(handle: int, size: int, at: int) -> bytes:
            if at <= 5 * PAGE < at + size:
                raise OSError(errno.EIO, "Input/output error")
            return pread(handle, size, at)

        monkeypatch.setattr(os, "pread", torn)
        with structlog.testing.capture_logs() as logs, closing(LogWriter(path, MOST)) as log:
            assert path.stat().st_size == log.end < PAGE * 5
        assert [one["event"] for one in logs] == ["segment.cut"]

    def test_the_time_of_its_first_event_is_known(self, path: Path) -> None:
        for number in range(3):
            with closing(LogWriter(path, MOST)) as log:
                assert log.began == (5.0 if number else None)
                log.append(columns(FIRST + number, b"one", received=5.0 + number))

    def test_it_can_be_closed_twice(self, path: Path) -> None:
        log = LogWriter(path, MOST)
        log.close()
        log.close()
