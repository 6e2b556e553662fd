"""Groups of lines in a file: whole, durable, in nobody else's way, and inside the jail."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.targets.appender import Appender, FileInUseError, NotOurFileError
from router.targets.jail import JailError

ONE, TWO, THREE = b'{"n":1}\n', b'{"n":2}\n', b'{"n":3}\n'


def open_file(folder: Path, path: str = "audit.jsonl") -> Appender:
    return Appender(folder, PurePosixPath(path))


@contextmanager
def most_file_bytes(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size`: what a full disk does, without a disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_groups_follow_one_another(tmp_path: Path) -> None:
    with closing(open_file(tmp_path)) as file:
        file.append(ONE + TWO)
        file.append(THREE)
    assert (tmp_path / "audit.jsonl").read_bytes() == ONE + TWO + THREE


def test_an_existing_file_is_continued(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(ONE)
    with closing(open_file(tmp_path)) as file:
        file.append(TWO)
    assert (tmp_path / "audit.jsonl").read_bytes() == ONE + TWO
    assert [path.name for path in tmp_path.iterdir()] == ["audit.jsonl"]


def test_missing_folders_are_made_for_the_owner_and_group_only(tmp_path: Path) -> None:
    with closing(open_file(tmp_path, "a/b/audit.jsonl")) as file:
        file.append(ONE)
    for path, most in (
        (tmp_path / "a", 0o750),
        (tmp_path / "a/b", 0o750),
        (tmp_path / "a/b/audit.jsonl", 0o640),
    ):
        assert path.stat().st_mode & 0o777 & ~most == 0


class TestDurability:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
        """Writes and fsyncs of this process, with the inode they went to."""
        calls: list[tuple[str, int]] = []

        def watched(name: str, call: Callable[..., int | None]) -> Callable[..., int | None]:
            def record(file: int, *rest: bytes) -> int | None:
                calls.append((name, os.fstat(file).st_ino))
                return call(file, *rest)

            return record

        monkeypatch.setattr(os, "write", watched("write", os.write))
        monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync))
        return calls

    def test_a_group_is_one_write_and_one_fsync(self, tmp_path: Path, calls: list[tuple[str, int]]) -> None:
        with closing(open_file(tmp_path)) as file:
            inode = (tmp_path / "audit.jsonl").stat().st_ino
            calls.clear()
            file.append((ONE + TWO) * 250)
        assert calls == [("write", inode), ("fsync", inode)]

    def test_a_new_files_name_is_durable_too(self, tmp_path: Path, calls: list[tuple[str, int]]) -> None:
        open_file(tmp_path, "a/audit.jsonl").close()
        assert {("fsync", tmp_path.stat().st_ino), ("fsync", (tmp_path / "a").stat().st_ino)} <= set(calls)

    def test_a_torn_line_is_safe_beside_the_file_before_it_is_cut_off(
        self, tmp_path: Path, calls: list[tuple[str, int]]
    ) -> None:
        (tmp_path / "audit.jsonl").write_bytes(ONE + b'{"n":')
        with closing(open_file(tmp_path)):
            torn = (tmp_path / "audit.jsonl.torn-1").stat().st_ino
            file = (tmp_path / "audit.jsonl").stat().st_ino
        folder = tmp_path.stat().st_ino
        assert calls[:4] == [("write", torn), ("fsync", torn), ("fsync", folder), ("fsync", file)]


class TestFailures:
    """After a failed group, nothing of it is in the file, and the file ends with a whole line."""

    def test_a_group_that_only_fits_in_part(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path)) as file:
            file.append(ONE)
            with (
                most_file_bytes(len(ONE + TWO) + 3),
                pytest.raises(OSError, match="File too large") as caught,
            ):
                file.append(TWO + THREE)
            assert caught.value.errno == errno.EFBIG
            assert (tmp_path / "audit.jsonl").read_bytes() == ONE
            file.append(THREE)
        assert (tmp_path / "audit.jsonl").read_bytes() == ONE + THREE

    def test_an_fsync_that_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with closing(open_file(tmp_path)) as file:
            file.append(ONE)
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", broken)
                with pytest.raises(OSError, match="Input/output error"):
                    file.append(TWO)
        assert (tmp_path / "audit.jsonl").read_bytes() == ONE

    def test_a_file_that_somebody_emptied_meanwhile(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path)) as file:
            file.append(ONE + TWO)
            os.truncate(tmp_path / "audit.jsonl", 0)
            with most_file_bytes(3), pytest.raises(OSError, match="File too large"):
                file.append(THREE)
            assert (tmp_path / "audit.jsonl").read_bytes() == b""

    def test_a_full_disk(self, small_disk: Path) -> None:
        lines = b'{"filler":"%s"}\n' % (b"x" * 1000)

        def fill(file: Appender) -> None:
            while True:
                file.append(lines * 7)

        with closing(open_file(small_disk)) as file:
            with pytest.raises(OSError, match="No space left on device"):
                fill(file)
            content = (small_disk / "audit.jsonl").read_bytes()
            assert content == lines * content.count(b"\n")
            assert content.count(b"\n") % 7 == 0
            assert len(content) > 40_000
            os.truncate(small_disk / "audit.jsonl", 0)
            file.append(ONE)
        assert (small_disk / "audit.jsonl").read_bytes() == ONE


class TestTornLines:
    """A crash in the midst of a write leaves a line without its end. It must not merge with the next one."""

    @pytest.mark.parametrize(
        ("content", "kept", "torn"),
        [
            (ONE + TWO[:-1], ONE, TWO[:-1]),
            (ONE + b"{", ONE, b"{"),
            (ONE + b"\0" * 5000, ONE, b"\0" * 5000),
            (b'{"n"', b"", b'{"n"'),
            (b"\0\0\0", b"", b"\0\0\0"),
            (ONE + b'{"long":"' + b"x" * 300_000, ONE, b'{"long":"' + b"x" * 300_000),
            (ONE * 20_000 + b"{", ONE * 20_000, b"{"),
        ],
        ids=[
            "no end",
            "one byte",
            "zeros",
            "the only line",
            "only zeros",
            "longer than a chunk",
            "long file",
        ],
    )
    def test_it_is_set_aside(self, tmp_path: Path, content: bytes, kept: bytes, torn: bytes) -> None:
        (tmp_path / "audit.jsonl").write_bytes(content)
        with capture_logs() as logs, closing(open_file(tmp_path)) as file:
            file.append(THREE)
        assert (tmp_path / "audit.jsonl").read_bytes() == kept + THREE
        assert (tmp_path / "audit.jsonl.torn-1").read_bytes() == torn
        assert logs == [
            {
                "event": "file.torn_line_set_aside",
                "log_level": "warning",
                "file": str(tmp_path / "audit.jsonl"),
                "bytes": len(torn),
                "kept_as": "audit.jsonl.torn-1",
            }
        ]

    def test_earlier_ones_stay(self, tmp_path: Path) -> None:
        for number in range(1, 4):
            with (tmp_path / "audit.jsonl").open("ab") as raw:
                raw.write(b'{"torn":%d' % number)
            open_file(tmp_path).close()
        found = {path.name: path.read_bytes() for path in tmp_path.glob("*.torn-*")}
        assert found == {f"audit.jsonl.torn-{number}": b'{"torn":%d' % number for number in range(1, 4)}
        assert (tmp_path / "audit.jsonl").read_bytes() == b""

    @pytest.mark.parametrize("content", [b"", ONE, ONE + TWO, b"{}\n\n"])
    def test_a_whole_file_is_left_alone(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "audit.jsonl").write_bytes(content)
        with capture_logs() as logs:
            open_file(tmp_path).close()
        assert (tmp_path / "audit.jsonl").read_bytes() == content
        assert logs == []
        assert len(list(tmp_path.iterdir())) == 1

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cut=st.integers(0, len(ONE + TWO + THREE)))
    def test_wherever_a_crash_cuts_whole_lines_stay_and_nothing_is_lost(
        self, tmp_path: Path, cut: int
    ) -> None:
        content = (ONE + TWO + THREE)[:cut]
        path, torn = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.torn-1"
        torn.unlink(missing_ok=True)
        path.write_bytes(content)
        with closing(open_file(tmp_path)) as file:
            kept = path.read_bytes()
            file.append(ONE)
        assert path.read_bytes() == kept + ONE
        assert kept.count(b"\n") == content.count(b"\n")
        assert kept + (torn.read_bytes() if torn.exists() else b"") == content


class TestLock:
    def test_a_second_target_of_this_router_is_refused(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path)) as file:
            with pytest.raises(
                FileInUseError, match=r"audit\.jsonl is being written by another target of this"
            ):
                open_file(tmp_path)
            file.append(ONE)
        open_file(tmp_path).close()

    def test_another_process_is_named(self, tmp_path: Path) -> None:
        program = (
            "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX);"
            "print('locked', flush=True); sys.stdin.read()"
        )
        path = tmp_path / "audit.jsonl"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"locked\n"
            with pytest.raises(FileInUseError, match=rf"by process {other.pid}; give every file target"):
                open_file(tmp_path)
            other.send_signal(signal.SIGKILL)
        open_file(tmp_path).close()

    def test_a_refused_open_touches_nothing(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path)):
            (tmp_path / "audit.jsonl").write_bytes(b'{"being writt')
            with pytest.raises(FileInUseError):
                open_file(tmp_path)
        assert (tmp_path / "audit.jsonl").read_bytes() == b'{"being writt'

    def test_other_files_are_free(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path, "a.jsonl")), closing(open_file(tmp_path, "b.jsonl")) as other:
            other.append(ONE)


class TestWhereItIs:
    def test_it_is_current_while_the_path_leads_to_it(self, tmp_path: Path) -> None:
        with closing(open_file(tmp_path, "a/audit.jsonl")) as file:
            assert file.is_current()
            file.append(ONE)
            assert file.is_current()

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "audit.jsonl").unlink(),
            lambda folder: (folder / "audit.jsonl").rename(folder / "audit.jsonl.1"),
            lambda folder: folder.rename(folder.with_name("b")),
            lambda folder: (
                (folder / "new").write_bytes(b""),
                (folder / "new").rename(folder / "audit.jsonl"),
            ),
        ],
        ids=["removed", "renamed", "folder renamed", "replaced"],
    )
    def test_it_is_not_after_somebody_moved_it(self, tmp_path: Path, change: Callable[[Path], None]) -> None:
        with closing(open_file(tmp_path, "a/audit.jsonl")) as file:
            change(tmp_path / "a")
            assert not file.is_current()


class TestJail:
    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        (tmp_path / "outside").mkdir()
        return tmp_path / "outside"

    @pytest.fixture
    def jail(self, tmp_path: Path) -> Path:
        (tmp_path / "data").mkdir()
        return tmp_path / "data"

    def test_a_linked_folder_is_not_entered(self, jail: Path, outside: Path) -> None:
        (jail / "audit").symlink_to(outside)
        with pytest.raises(JailError, match=r"^audit is a symbolic link, and below the data folder none"):
            open_file(jail, "audit/file.jsonl")
        assert list(outside.iterdir()) == []

    def test_a_linked_file_is_not_opened(self, jail: Path, outside: Path) -> None:
        (outside / "target").write_bytes(b"{precious")
        (jail / "audit.jsonl").symlink_to(outside / "target")
        with pytest.raises(JailError, match=r"^audit\.jsonl is a symbolic link"):
            open_file(jail)
        assert (outside / "target").read_bytes() == b"{precious"

    def test_a_link_to_nowhere_creates_nothing(self, jail: Path, outside: Path) -> None:
        (jail / "audit.jsonl").symlink_to(outside / "new")
        with pytest.raises(JailError):
            open_file(jail)
        assert list(outside.iterdir()) == []

    def test_the_jail_itself_may_be_linked(self, tmp_path: Path, jail: Path) -> None:
        (tmp_path / "link").symlink_to(jail)
        with closing(open_file(tmp_path / "link", "a/audit.jsonl")) as file:
            file.append(ONE)
            assert file.is_current()
        assert (jail / "a/audit.jsonl").read_bytes() == ONE


class TestOtherThings:
    @pytest.mark.parametrize("content", [b"SQLite format 3\0", b"1234\n", b"\n", b"text", b" {}\n"])
    def test_a_file_of_another_kind_is_refused_and_left_alone(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "audit.jsonl").write_bytes(content)
        with pytest.raises(NotOurFileError, match="holds something else than JSON lines"):
            open_file(tmp_path)
        assert (tmp_path / "audit.jsonl").read_bytes() == content

    def test_a_pipe_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "audit.jsonl")
        with pytest.raises(NotOurFileError, match="is no regular file"):
            open_file(tmp_path)

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "audit.jsonl").mkdir()
        with pytest.raises(OSError, match="Is a directory"):
            open_file(tmp_path)

    def test_a_file_in_a_folders_place(self, tmp_path: Path) -> None:
        (tmp_path / "audit").write_bytes(b"")
        with pytest.raises(OSError, match="Not a directory"):
            open_file(tmp_path, "audit/file.jsonl")

    def test_no_data_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=re.escape("No such file or directory")):
            open_file(tmp_path / "data")

    def test_a_failed_open_leaves_no_descriptors(self, tmp_path: Path) -> None:
        (tmp_path / "audit.jsonl").write_bytes(b"text")
        before = os.open(tmp_path, os.O_RDONLY)
        os.close(before)
        for _ in range(3):
            with pytest.raises(NotOurFileError):
                open_file(tmp_path, "audit.jsonl")
        after = os.open(tmp_path, os.O_RDONLY)
        os.close(after)
        assert after == before
