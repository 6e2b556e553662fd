"""Logs that were cut or changed: nothing wrong is given, what stands elsewhere is there, and it is told."""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.store.advice import DamagedError
from router.store.log.checking import SECTOR, damage
from router.store.log.format import BEGIN, PAGE, Columns, encode_group
from router.store.log.reading import LogVolume
from router.store.log.salvage import copied, named
from router.store.log.walking import LogFile
from router.store.log.writing import LogWriter, create
from router.store.volume import UnreadableError
from tests.store.log.support import FIRST, MOST, Event, columns, events_of, groups, read, write


def reopened(path: Path) -> list[Event]:
    """What there is after a crash; and it is gone on with."""
    with closing(LogWriter(path, MOST)) as log:
        log.append(columns(MOST, b"later"))
    with closing(LogVolume(path)) as volume:
        *events, later = read(volume)
    assert later[4] == b"later"
    assert damage(path, thorough=True, grows=False) is None
    return events


@given(made=groups(), cut=st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_a_crash_leaves_all_that_was_committed_and_no_part_of_the_rest(made: list[Columns], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        ends = write(path, made)
        cut = BEGIN + cut % (ends[-1] - BEGIN + 1)
        os.truncate(path, cut)
        check_the_rest(path, made[: sum(end <= cut for end in ends[1:])])


@given(
    before=st.integers(0, 600),
    sizes=st.lists(st.integers(0, 1_500), min_size=1, max_size=4),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_nor_does_one_that_has_written_some_of_it(before: int, sizes: list[int], data: st.DataObject) -> None:
    """Where space was set aside, what was not written is zeros, in whole sectors."""
    made = [columns(FIRST, b"x" * before), columns(FIRST + 1, *(b"y" * size for size in sizes))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        _, begin, end = write(path, made)
        content = bytearray(path.read_bytes()[:end].ljust(20_000, b"\0"))
        sectors = range(begin // SECTOR, (end - 1) // SECTOR + 1)
        for sector in data.draw(st.sets(st.sampled_from(sectors), min_size=1)):
            at, until = max(begin, sector * SECTOR), min(end, (sector + 1) * SECTOR)
            content[at:until] = bytes(until - at)
        path.write_bytes(content)
        check_the_rest(path, made[:1])


def check_the_rest(path: Path, made: list[Columns]) -> None:
    for thorough in (False, True):
        assert damage(path, thorough=thorough, grows=True) is None
    assert read_at_most(path) == events_of(made)
    assert reopened(path) == events_of(made)


def read_at_most(path: Path) -> list[Event]:
    """What a doctor keeps."""
    to = path.with_name("copy")
    copied(path, to, lambda _: None, grows=True)
    with closing(LogVolume(to)) as volume:
        return read(volume)


def test_a_group_of_which_any_byte_is_missing_never_was(tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST}.log"
    made = [columns(FIRST, b"one"), columns(FIRST + 1, b"two", b"three")]
    _, before, end = write(path, made)
    content = path.read_bytes()
    for cut in range(before, end):
        path.write_bytes(content[:cut])
        assert reopened(path) == events_of(made[:1])


def test_a_group_of_which_any_byte_is_another_is_damaged(tmp_path: Path) -> None:
    """No crash has done that: it is said, and not cut off."""
    path = tmp_path / f"{FIRST}.log"
    _, before, end = write(path, [columns(FIRST, b"one"), columns(FIRST + 1, b"two", b"three")])
    content = path.read_bytes()[:end] + bytes(5_000)
    for changed in range(before, end):
        path.write_bytes(content[:changed] + bytes([content[changed] ^ 0x5A]) + content[changed + 1 :])
        for thorough in (False, True):
            assert "damaged from byte" in str(damage(path, thorough=thorough, grows=True))
        with pytest.raises(DamagedError, match="is damaged"):
            LogWriter(path, MOST)


def test_what_came_whole_with_zeros_of_its_own_is_damaged_as_well(tmp_path: Path) -> None:
    """A record of zeros tells nothing of another one beside it, of which nothing is missing."""
    path = tmp_path / f"{FIRST}.log"
    _, _, end = write(path, [columns(FIRST, b"one"), columns(FIRST + 1, bytes(5_000), b"true")])
    content = path.read_bytes()[:end]
    path.write_bytes(content[:-1] + b"?" + bytes(5_000))
    for thorough in (False, True):
        assert "damaged from byte" in str(damage(path, thorough=thorough, grows=True))
    with pytest.raises(DamagedError, match="is damaged"):
        LogWriter(path, MOST)


flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4)


@given(made=groups(), flipped=flips, closed=st.booleans())
@settings(max_examples=120, deadline=None)
def test_what_is_changed_is_found_and_costs_no_other_group(
    made: list[Columns], flipped: list[tuple[int, int]], closed: bool
) -> None:
    assume(made)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        ends = write(path, made)
        original = path.read_bytes() if closed else path.read_bytes()[: ends[-1]]
        content = bytearray(original)
        for at, noise in flipped:
            content[BEGIN + at % (ends[-1] - BEGIN)] ^= noise
        assume(content != original)
        path.write_bytes(content)
        hit = [original[a:b] != content[a:b] for a, b in itertools.pairwise(ends)]
        assert damage(path, thorough=True, grows=False) is not None
        check_the_reader(path, made)
        check_the_copy(path, made, hit)
        taken_for_a_crash = damage(path, thorough=True, grows=True) is None
        assert taken_for_a_crash <= (all(hit[hit.index(True) :]) and not closed)


def check_the_reader(path: Path, made: list[Columns]) -> None:
    """Every answer is right, or none."""
    with closing(LogVolume(path)) as volume:
        for sequence, received, fingerprint, routes, record in events_of(made):
            with suppress(DamagedError, UnreadableError):
                arrival = volume.arrival(sequence)
                assert arrival is not None
                assert (arrival.received, arrival.fingerprint, arrival.routes) == (
                    received,
                    fingerprint,
                    routes,
                )
                assert volume.row(sequence) == record
        with suppress(DamagedError, UnreadableError):
            assert read(volume) == events_of(made)


def check_the_copy(path: Path, made: list[Columns], hit: list[bool]) -> None:
    """Of the groups that were not hit everything is kept; what is lost is told."""
    to = path.with_name("copy")
    copy = copied(path, to, lambda _: None, grows=False)
    with closing(LogVolume(to)) as volume:
        kept = {event[0]: event for event in read(volume)}
        originals = {at: volume.original(at) for at in kept}
    assert copy.sequences == kept.keys()
    sequences, torn = named(path, grows=False)
    for one, was_hit in zip(made, hit, strict=True):
        for event in events_of([one]):
            sequence = event[0]
            if not was_hit:
                assert kept[sequence] == event
            elif sequence in kept:
                assert kept[sequence] in (event, (*event[:4], b""))
            else:
                assert sequence in sequences or any(
                    first <= sequence and (last is None or sequence <= last) for first, last in torn
                )
        for at, body, content_type in one.originals if not was_hit else ():
            found = originals[at]
            assert found is not None
            assert (found.body, found.content_type) == (body, content_type)
    assert kept.keys() <= {event[0] for event in events_of(made)}


@pytest.mark.parametrize("thorough", [False, True])
def test_what_is_being_written_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    """Who looks finds nothing where a group is to begin, and behind that the one after it."""
    path = tmp_path / f"{FIRST}.log"
    create(path, FIRST)
    pread = os.pread
    with closing(LogWriter(path, MOST)) as log:
        log.append(columns(FIRST, bytes(100_000)))
        end = log.end

        def slow(handle: int, size: int, at: int) -> bytes:
            data = pread(handle, size, at)
            if at == end == log.end:
                log.append(columns(FIRST + 1, b"two"))
                log.append(columns(FIRST + 2, b"three"))
            return data

        monkeypatch.setattr(os, "pread", slow)
        assert damage(path, thorough=thorough, grows=True) is None
        assert log.end > end


def test_what_a_closed_log_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST}.log"
    *_, before, end = write(path, [columns(FIRST, b"one"), columns(FIRST + 1, b"two")])
    content = path.read_bytes()
    for cut in (BEGIN, before, end):
        path.write_bytes(content[:cut])
        assert damage(path, thorough=True, grows=False) == "its end is missing"
        assert damage(path, thorough=True, grows=True) is None
    path.write_bytes(content[: end - 1] + b"?" + content[end:])
    for thorough in (False, True):
        assert damage(path, thorough=thorough, grows=True) == f"damaged from byte {before} to {end}"


def test_a_stretch_that_cannot_be_read_is_leapt_over(tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST}.log"
    made = [columns(FIRST + at, b"%03d" % at * 100) for at in range(100)]
    ends = write(path, made)
    content = bytearray(path.read_bytes())
    content[ends[10] : ends[12]] = b"\xa5" * (ends[12] - ends[10])
    path.write_bytes(content)
    assert damage(path, thorough=False, grows=True) == f"damaged from byte {ends[10]} to {ends[12]}"
    assert named(path, grows=True) == (
        {FIRST + at for at in range(100)} - {FIRST + 10, FIRST + 11},
        [(FIRST + 10, FIRST + 11)],
    )
    with closing(LogVolume(path)) as volume:
        assert volume.row(FIRST + 9) == made[9].records[0]
        assert volume.row(FIRST + 12) == made[12].records[0]
        with pytest.raises(DamagedError, match=f"from byte {ends[10]} to {ends[12]}"):
            volume.arrival(FIRST + 11)
        with pytest.raises(DamagedError):
            volume.arrivals(0, MOST, 1_000)
    with pytest.raises(DamagedError, match="is damaged"):
        LogWriter(path, MOST)


def test_nobody_who_sends_events_can_make_a_group(tmp_path: Path) -> None:
    """A payload that looks like one is none, also where what stands around it cannot be read."""
    path = tmp_path / f"{FIRST}.log"
    forged = b"".join(
        encode_group(bytes([marker]) * 8, columns(FIRST + 1, b"forged")) for marker in range(256)
    )
    ends = write(path, [columns(FIRST, forged), columns(FIRST + 9, b"true")])
    content = bytearray(path.read_bytes())
    content[ends[0]] ^= 1
    path.write_bytes(content)
    copied(path, tmp_path / "copy", lambda _: None, grows=True)
    with closing(LogVolume(tmp_path / "copy")) as volume:
        assert [event[0] for event in read(volume)] == [FIRST + 9]
    with closing(LogFile(path)) as file:
        assert file.header.first == FIRST


def test_pages_that_the_disk_cannot_give_cost_their_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{FIRST}.log"
    made = [columns(FIRST + at, b"%03d" % at * 500) for at in range(20)]
    ends = write(path, made)
    broken = range(5 * PAGE, 6 * PAGE)
    before = os.pread

    def pread(handle: int, size: int, at: int) -> bytes:
        if at < broken.stop and broken.start < at + size:
            raise OSError(errno.EIO, "Input/output error")
        return before(handle, size, at)

    monkeypatch.setattr(os, "pread", pread)
    hit = [begin < broken.stop and broken.start < end for begin, end in itertools.pairwise(ends)]
    assert "damaged from byte" in str(damage(path, thorough=True, grows=True))
    copied(path, tmp_path / "copy", lambda _: None, grows=True)
    with closing(LogVolume(path)) as volume, pytest.raises(OSError, match="Input/output error"):
        read(volume)  # it may pass: nothing is given up
    monkeypatch.undo()
    with closing(LogVolume(tmp_path / "copy")) as volume:
        whole = [event for event in read(volume) if event[4]]
    assert whole == events_of([one for one, was_hit in zip(made, hit, strict=True) if not was_hit])
    assert 0 < len(whole) < 20
