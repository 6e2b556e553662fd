"""Whatever is appended is read back, in every way that the archive asks."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigurationError
from router.events.received import Original
from router.store.advice import DamagedError
from router.store.log import index
from router.store.log.format import BEGIN, PAGE, VERSION, Columns, Header, encode_header, new_header
from router.store.log.reading import LogVolume
from router.store.log.walking import LogFile
from router.store.log.writing import LogWriter, create
from tests.store.log.support import FIRST, MOST, columns, events_of, groups, read, write


@given(made=groups(most=12), stretch=st.sampled_from([1, 300, 65_536]))
@settings(max_examples=60, deadline=None)
def test_what_is_appended_is_read_back(made: list[Columns], stretch: int) -> None:
    events = events_of(made)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "STRETCH", stretch)
        path = Path(folder) / f"{FIRST}.log"
        write(path, made)
        with closing(LogVolume(path)) as volume:
            assert read(volume) == events
            sequences = [event[0] for event in events]
            assert volume.span() == ((sequences[0], sequences[-1]) if events else (0, -1))
            assert volume.newest() == max((event[1] for event in events), default=None)
            top = max(sequences, default=FIRST) + 2
            for first in range(FIRST - 1, top, 3):
                for last in range(first, top, 2):
                    assert volume.count(first, last) == sum(first <= at <= last for at in sequences)
            for when in range(22):
                found = [at for at, received, *_ in events if received >= when]
                assert volume.first_at(when) == (found[0] if found else None)
            for sequence in range(FIRST - 1, top):
                arrival = volume.arrival(sequence)
                assert (arrival is not None) == (sequence in sequences)
                assert (volume.row(sequence) is not None) == (sequence in sequences)
            originals = {at: Original(body, kind) for one in made for at, body, kind in one.originals}
            assert {at: volume.original(at) for at in sequences} == {
                at: originals.get(at) for at in sequences
            }


@given(made=groups(most=12), since=st.integers(0, 20), most=st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_the_newest_fingerprints_come_first(made: list[Columns], since: int, most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        write(path, made)
        with closing(LogVolume(path)) as volume:
            found = list(volume.fingerprints(since, most))
    every = [event[:3] for event in events_of(made) if event[2] and event[1] >= since]
    assert len(found) == min(most, len(every))
    assert set(found) <= set(every)
    times = [received for _, received, _ in found]
    assert times == sorted((received for _, received, _ in every), reverse=True)[:most]


def many(path: Path, count: int = 2_000) -> None:
    """A log of so many groups that was closed; the newest event stands in the first one."""
    create(path, FIRST, (columns(FIRST + at, b"%d" % at, received=float(count - at)) for at in range(count)))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes are read at a time."""
    sizes: list[int] = []
    pread = os.pread

    def counting(handle: int, size: int, at: int) -> bytes:
        sizes.append(size)
        return pread(handle, size, at)

    monkeypatch.setattr(os, "pread", counting)
    return sizes


class TestReadingLittle:
    def test_heads_that_stand_close_together_are_read_together(
        self, tmp_path: Path, reads: list[int]
    ) -> None:
        many(tmp_path / "100.log")
        with closing(LogVolume(tmp_path / "100.log")) as volume:
            assert volume.span() == (FIRST, FIRST + 1_999)
        assert len(reads) < 20
        assert sum(reads) < 1.5 * (tmp_path / "100.log").stat().st_size

    def test_a_log_that_was_closed_says_how_new_it_is(self, tmp_path: Path, reads: list[int]) -> None:
        """Also where the newest event cannot be read: by age it goes when it should."""
        path = tmp_path / "100.log"
        many(path)
        content = bytearray(path.read_bytes())
        content[BEGIN] ^= 1
        path.write_bytes(content)
        with closing(LogVolume(path)) as volume:
            assert volume.newest() == 2_000
        assert sum(reads) < 2 * BEGIN

    def test_so_does_one_that_was_gone_on_with(self, tmp_path: Path) -> None:
        path = tmp_path / "100.log"
        many(path)
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(MOST, b"later", received=7.0))
        with closing(LogVolume(path)) as volume:
            assert volume.newest() == 2_000
            assert volume.span() == (FIRST, MOST)
            assert volume.newest() == 2_000

    def test_what_one_has_looked_for_no_other_looks_for(self, tmp_path: Path, reads: list[int]) -> None:
        path = tmp_path / "100.log"
        many(path)
        known: dict[Path, index.Index] = {}
        with closing(LogVolume(path, known)) as volume:
            assert volume.row(FIRST + 1_000) == b"1000"
        reads.clear()
        with closing(LogVolume(path, known)) as volume:
            assert volume.row(FIRST + 1_000) == b"1000"
        assert sum(reads) < 2 * index.STRETCH + BEGIN

    def test_a_page_that_the_disk_cannot_give_costs_no_head_beside_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "100.log"
        ends = write(path, [columns(FIRST + at, bytes(5_000)) for at in range(40)])
        broken = ends[20] + 1_000
        pread = os.pread

        def failing(handle: int, size: int, at: int) -> bytes:
            if at <= broken < at + size:
                raise OSError(errno.EIO, "Input/output error")
            return pread(handle, size, at)

        monkeypatch.setattr(os, "pread", failing)
        with closing(LogVolume(path)) as volume:
            assert volume.span() == (FIRST, FIRST + 39)
            assert volume.row(FIRST + 21) == bytes(5_000)


class TestBesideTheWriter:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        create(tmp_path / "100.log", FIRST)
        return tmp_path / "100.log"

    def test_what_is_committed_is_seen_and_nothing_else(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log, closing(LogVolume(path, {path: log.index})) as volume:
            assert read(volume) == []
            log.append(columns(FIRST, b"one"))
            assert [event[0] for event in read(volume)] == [FIRST]
            before = deepcopy(log.index)
            log.append(columns(FIRST + 5, b"two", b"three"))
            assert volume.span() == (FIRST, FIRST + 6)
            assert volume.row(FIRST + 6) == b"three"
            with closing(LogVolume(path, {path: before})) as earlier:
                assert [event[0] for event in read(earlier)] == [FIRST]

    def test_it_reads_on_when_the_file_is_gone(self, path: Path) -> None:
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST, b"one"))
        with closing(LogVolume(path)) as volume:
            path.unlink()
            assert volume.row(FIRST) == b"one"


class TestTheHeader:
    @pytest.mark.parametrize("page", [0, 1])
    def test_one_torn_page_costs_nothing(self, tmp_path: Path, page: int) -> None:
        path = tmp_path / "100.log"
        write(path, [columns(FIRST, b"one")])
        content = bytearray(path.read_bytes())
        content[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
        path.write_bytes(content)
        with closing(LogVolume(path)) as volume:
            assert volume.row(FIRST) == b"one"

    @pytest.mark.parametrize("page", [0, 1])
    def test_nor_does_one_that_the_disk_cannot_give(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
    ) -> None:
        path = tmp_path / "100.log"
        write(path, [columns(FIRST, b"one")])
        pread = os.pread

        def failing(handle: int, size: int, at: int) -> bytes:
            if at <= page * PAGE < at + size:
                raise OSError(errno.EIO, "Input/output error")
            return pread(handle, size, at)

        monkeypatch.setattr(os, "pread", failing)
        with closing(LogWriter(path, MOST)) as log:
            log.append(columns(FIRST + 1, b"two"))
        with closing(LogVolume(path)) as volume:
            assert volume.row(FIRST + 1) == b"two"

    @pytest.mark.parametrize("content", [b"", b"no log", bytes(BEGIN)])
    def test_a_file_without_one_is_damaged(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "100.log"
        path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"100\.log is damaged \(it has no header\)"):
            LogFile(path)

    def test_another_layout_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "100.log"
        path.write_bytes(encode_header(Header(VERSION + 1, FIRST, b"m" * 8)))
        with pytest.raises(
            ConfigurationError, match=rf"\(layout {VERSION + 1}, this one knows {VERSION}\); run"
        ):
            LogFile(path)

    def test_each_log_has_a_marker_of_its_own(self) -> None:
        assert new_header(FIRST).marker != new_header(FIRST).marker
