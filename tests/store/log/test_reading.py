"""Whatever is appended is read back, in every way that the archive asks."""

from __future__ import annotations

import tempfile
from contextlib import closing
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


class TestBesideTheWriter:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        create(tmp_path / "100.log", FIRST)
        return tmp_path / "100.log"

    def test_what_is_committed_is_seen_and_nothing_else(self, path: Path) -> None:
        committed: dict[str, int] = {"end": BEGIN}
        with (
            closing(LogWriter(path, MOST)) as log,
            closing(LogVolume(path, lambda: committed["end"])) as volume,
        ):
            log.append(columns(FIRST, b"one"))
            assert read(volume) == []
            committed["end"] = log.end
            assert [event[0] for event in read(volume)] == [FIRST]
            log.append(columns(FIRST + 5, b"two", b"three"))
            assert volume.span() == (FIRST, FIRST)
            committed["end"] = log.end
            assert volume.span() == (FIRST, FIRST + 6)
            assert volume.row(FIRST + 6) == b"three"

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

    @pytest.mark.parametrize("content", [b"", b"no log", bytes(BEGIN)])
    def test_a_file_without_one_is_damaged(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "100.log"
        path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"100\.log has no header"):
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
