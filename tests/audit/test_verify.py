"""What is found in a chain that somebody, or something, has laid hands on."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.audit.records import ORIGIN, link_of, seal
from router.audit.streams import Packing, pack
from router.audit.verify import Place, Verdict, verify
from tests.audit.chains import chain, checkpoint, forged, members, write

COUNT = 12
LINES = chain(COUNT)
INDEX = st.integers(0, COUNT - 1)
EVERY = [checkpoint(LINES, count) for count in range(1, COUNT + 1)]


def verified(lines: Sequence[bytes], held: Sequence[int] = (), split: int = 0) -> Verdict:
    """What is found in these lines, where checkpoints at `held` are kept elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), lines[:split], lines[split:])
        return verify(files, [checkpoint(LINES, count) for count in held])


def found(lines: Sequence[bytes], held: Sequence[int] = ()) -> tuple[str, int, int, int]:
    """The fault: what, the records it concerns, and the line."""
    fault = verified(lines, held).fault
    assert fault is not None
    line = 0 if fault.place is None else fault.place.line
    return fault.what.split()[0].rstrip(",:"), fault.first, fault.last, line


class TestAnUntouchedChain:
    @given(split=st.integers(0, COUNT), held=st.sets(st.integers(1, COUNT)))
    def test_is_whole_and_covered_up_to_the_last_checkpoint(self, split: int, held: set[int]) -> None:
        verdict = verified(LINES, sorted(held), split)
        assert (verdict.fault, verdict.torn) == (None, ())
        assert (verdict.last, verdict.covered, verdict.agreed) == (COUNT, max(held, default=0), len(held))

    def test_may_be_packed_and_named_in_any_order(self, tmp_path: Path) -> None:
        first, second, third = tmp_path / "c.gz", tmp_path / "b.zst", tmp_path / "a"
        first.write_bytes(gzip.compress(b"".join(LINES[:4])))
        source = tmp_path / "source"
        source.write_bytes(b"".join(LINES[4:8]))
        with source.open("rb") as plain, second.open("wb") as packed:
            pack("zstd", plain, packed)
        third.write_bytes(b"".join(LINES[8:]))
        verdict = verify([third, first, second], EVERY)
        assert (verdict.fault, verdict.covered) == (None, COUNT)

    @pytest.mark.parametrize(("suffix", "packing"), [(".gz", "gzip"), (".zst", "zstd")])
    def test_may_be_there_packed_and_unpacked(self, tmp_path: Path, suffix: str, packing: Packing) -> None:
        files = write(tmp_path, LINES[:5], LINES[5:])
        packed = tmp_path / f"{files[0].name}{suffix}"
        with files[0].open("rb") as source, packed.open("wb") as into:
            pack(packing, source, into)
        verdict = verify([*files, packed], EVERY)
        assert (verdict.fault, verdict.last) == (None, COUNT)
        files[0].write_bytes(b"".join(LINES[:4]))
        assert verify([*files, packed]).fault is not None

    def test_may_be_named_twice_and_have_empty_files(self, tmp_path: Path) -> None:
        one, two, empty = tmp_path / "b", tmp_path / "c", tmp_path / "a"
        one.write_bytes(b"".join(LINES[6:]))
        two.write_bytes(b"".join(LINES[:6]))
        empty.touch()
        (tmp_path / "d.gz").write_bytes(gzip.compress(b""))
        (tmp_path / "link").symlink_to(one)
        files = [two, empty, one, two, tmp_path / "d.gz", tmp_path / "link"]
        verdict = verify(files, EVERY)
        assert (verdict.fault, verdict.last) == (None, COUNT)

    def test_may_begin_later_where_that_is_said(self, tmp_path: Path) -> None:
        files = write(tmp_path, LINES[5:])
        assert verify(files, EVERY, first=6).fault is None
        verdict = verify(files, first=6)
        assert (verdict.fault, verdict.first, verdict.last) == (None, 6, COUNT)
        fault = verify(files).fault
        assert fault is not None
        assert (fault.what, fault.first, fault.last) == ("removed", 1, 5)

    def test_an_unfinished_last_line_is_no_tampering(self) -> None:
        verdict = verified([*LINES[:-1], LINES[-1][:40]])
        assert (verdict.fault, verdict.last) == (None, COUNT - 1)
        assert [torn.line for torn in verdict.torn] == [COUNT]

    def test_so_are_those_of_earlier_files_where_the_record_follows(self, tmp_path: Path) -> None:
        files = write(tmp_path, [*LINES[:4], LINES[4][:30]], [*LINES[4:7], b"{"], LINES[7:])
        verdict = verify(files, EVERY)
        assert (verdict.fault, verdict.covered) == (None, COUNT)
        assert verdict.torn == (Place(files[0], 5), Place(files[1], 4))

    def test_of_nothing(self, tmp_path: Path) -> None:
        verdict = verify(write(tmp_path, []))
        assert (verdict.fault, verdict.last) == (None, 0)

    def test_progress_is_told(self, tmp_path: Path) -> None:
        told: list[tuple[int, int]] = []
        files = write(tmp_path, LINES[:5], LINES[5:])
        verify(files, progress=lambda read, records: told.append((read, records)))
        assert told[-1] == (sum(path.stat().st_size for path in files), COUNT)


class TestWhatTheChainItselfTells:
    """Accidents, and forgers who do not make every hash anew. The first bad record is named, and its line."""

    @given(index=INDEX, data=st.data())
    def test_a_changed_byte(self, index: int, data: st.DataObject) -> None:
        line = bytearray(LINES[index])
        at = data.draw(st.integers(0, len(line) - 2))
        line[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte not in {line[at], 0x0A}))
        changed = [*LINES[:index], bytes(line), *LINES[index + 1 :]]
        assert found(changed) == ("changed", index + 1, index + 1, index + 1)

    @given(index=INDEX.filter(lambda index: index < COUNT - 1), data=st.data())
    def test_removed_records(self, index: int, data: st.DataObject) -> None:
        after = data.draw(st.integers(index + 1, COUNT - 1))
        assert found([*LINES[:index], *LINES[after:]]) == ("removed", index + 1, after, index + 1)

    @given(first=INDEX, second=INDEX)
    def test_swapped_records(self, first: int, second: int) -> None:
        first, second = sorted((first, second))
        if first == second:
            return
        swapped = list(LINES)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        assert found(swapped) == ("reordered", first + 1, first + 1, first + 1)

    @given(index=INDEX, at=st.integers(0, COUNT))
    def test_a_record_that_stands_there_twice(self, index: int, at: int) -> None:
        line = at + 1 if at != index else at + 2  # which of two same ones is the copy, nobody can tell
        doubled = [*LINES[:at], LINES[index], *LINES[at:]]
        assert found(doubled) == ("inserted", line, line, line)

    @given(at=st.integers(0, COUNT - 1), junk=st.binary(max_size=40).filter(lambda junk: b"\n" not in junk))
    def test_an_inserted_line(self, at: int, junk: bytes) -> None:
        assert found([*LINES[:at], junk + b"\n", *LINES[at:]]) == ("inserted", at + 1, at + 1, at + 1)

    @given(at=st.integers(0, COUNT - 2))
    def test_an_inserted_record_with_a_hash_that_fits(self, at: int) -> None:
        prev = ORIGIN if not at else _hash(LINES[at - 1])
        false, _ = seal(at + 1, prev, members(at + 1, "false"))
        assert found([*LINES[:at], false, *LINES[at:]]) == ("inserted", at + 1, at + 1, at + 1)

    @given(index=st.integers(0, COUNT - 2))
    def test_a_changed_record_with_its_own_hash_made_anew(self, index: int) -> None:
        prev = ORIGIN if not index else _hash(LINES[index - 1])
        false, _ = seal(index + 1, prev, members(index + 1, "false"))
        changed = [*LINES[:index], false, *LINES[index + 1 :]]
        assert found(changed) == ("changed", index + 1, index + 1, index + 1)

    def test_a_torn_line_whose_record_does_not_follow(self, tmp_path: Path) -> None:
        torn = [*LINES[:4], LINES[4][:30]]
        fault = verify(files := write(tmp_path, torn, LINES[5:])).fault
        assert fault is not None
        assert (fault.what, fault.first, fault.place) == ("changed", 5, Place(files[0], 5))

    def test_a_packed_file_that_is_not_whole(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"".join(LINES))
        path = tmp_path / "a.gz"
        path.write_bytes(packed[:-20])
        fault = verify([path]).fault
        assert fault is not None
        assert fault.what.startswith("damaged")


class TestWhatOnlyCheckpointsElsewhereTell:
    """Forgers who make every hash anew, or cut the file back with all that lies beside it."""

    @given(kept=st.integers(0, COUNT - 1), held=st.integers(1, COUNT))
    def test_a_file_that_was_cut_back(self, kept: int, held: int) -> None:
        verdict = verified(LINES[:kept], [held])
        if held <= kept:
            assert (verdict.fault, verdict.covered) == (None, held)
            return
        assert verdict.fault is not None
        assert verdict.fault.what.startswith(
            f"cut: a checkpoint says that there were {held}; record {kept + 1} is the first that is missing"
        )
        assert (verdict.fault.first, verdict.fault.last) == (1, held)

    @given(data=st.data(), held=st.sets(st.integers(1, COUNT), min_size=1))
    def test_everything_under_the_last_checkpoint_is_found(self, data: st.DataObject, held: set[int]) -> None:
        kind = data.draw(st.sampled_from(["change", "remove", "insert", "swap", "duplicate"]))
        at = data.draw(st.integers(0, COUNT - 1))
        lines = list(LINES)
        if kind == "change":
            lines[at] = lines[at].replace(b"event", b"other")
        elif kind == "remove":
            del lines[at]
        elif kind == "insert":
            lines.insert(at, seal(1, ORIGIN, members(99))[0])
        elif kind == "duplicate":
            lines.insert(at, lines[at])
            at += 1
        else:
            other = data.draw(st.integers(at + 1, COUNT)) if at < COUNT - 1 else COUNT
            if other >= COUNT:
                return
            lines[at], lines[other] = lines[other], lines[at]
        verdict = verified(forged(lines), sorted(held))
        bad = at + 1
        if max(held) < bad:
            assert (verdict.fault, verdict.covered) == (None, max(held))
            return
        agreed = max((count for count in held if count < bad), default=0)
        assert verdict.fault is not None
        assert verdict.fault.first == agreed + 1
        assert verdict.fault.first <= bad <= verdict.fault.last
        assert verdict.covered == agreed

    @given(index=st.integers(0, COUNT - 1))
    def test_with_a_checkpoint_at_each_record_it_is_named_exactly(self, index: int) -> None:
        lines = list(LINES)
        lines[index] = lines[index].replace(b"event", b"other")
        verdict = verified(forged(lines), range(1, COUNT + 1))
        assert verdict.fault is not None
        assert (verdict.fault.first, verdict.fault.last) == (index + 1, index + 1)

    def test_without_one_a_forger_is_not_found(self) -> None:
        lines = forged([LINES[0].replace(b"event", b"other"), *LINES[1:]])
        assert verified(lines).fault is None

    def test_what_is_about_earlier_records_is_not_asked(self, tmp_path: Path) -> None:
        verdict = verify(write(tmp_path, LINES[5:]), EVERY, first=6)
        assert (verdict.unasked, verdict.agreed, verdict.fault) == (4, COUNT - 5, None)

    def test_a_beginning_that_does_not_fit_the_checkpoint_before_it(self, tmp_path: Path) -> None:
        false = chain(3, first=6, prev=b"f" * 64)
        fault = verify(write(tmp_path, false), EVERY, first=6).fault
        assert fault is not None
        assert fault.first == 6


def _hash(line: bytes) -> bytes:
    link = link_of(line)
    assert link is not None
    return link.hash


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", LINES[0][:-1], LINES[0].replace(b'"n":1,', b'"n":-1,')]
)
def test_what_is_no_record(line: bytes) -> None:
    assert link_of(line) is None
