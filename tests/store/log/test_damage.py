"""Logs that were cut or changed: nothing wrong is given, what stands elsewhere is there, and it is told."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.store.advice import DamagedError
from router.store.log.checking import damage
from router.store.log.format import BEGIN, Columns, encode_group
from router.store.log.reading import LogVolume
from router.store.log.salvage import copied, named
from router.store.log.walking import LogFile
from router.store.log.writing import LogWriter
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


@given(made=groups(), cut=st.integers(0, 10**6), zeros=st.integers(0, 300))
@settings(max_examples=150, deadline=None)
def test_a_crash_leaves_all_that_was_committed_and_no_part_of_the_rest(
    made: list[Columns], cut: int, zeros: int
) -> None:
    """Zeros: space that was set aside, or that the disk has got the length of, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        ends = write(path, made)
        cut = BEGIN + cut % (ends[-1] - BEGIN + 1)
        path.write_bytes(path.read_bytes()[:cut] + bytes(zeros))
        whole = sum(end <= cut for end in ends[1:])
        assert damage(path, thorough=True, grows=True) is None
        assert read_at_most(path) == events_of(made[:whole])
        assert reopened(path) == events_of(made[:whole])


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
    for lost in range(before, end):
        path.write_bytes(content[:lost] + b"\xff" + content[lost + 1 :] + bytes(100))
        if content[lost] != 0xFF:
            assert reopened(path) == events_of(made[:1])


flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4)


@given(made=groups(), flipped=flips)
@settings(max_examples=300, deadline=None)
def test_what_is_changed_is_found_and_costs_no_other_group(
    made: list[Columns], flipped: list[tuple[int, int]]
) -> None:
    assume(made)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FIRST}.log"
        ends = write(path, made)
        content = bytearray(path.read_bytes())
        for at, noise in flipped:
            content[BEGIN + at % (ends[-1] - BEGIN)] ^= noise
        assume(bytes(content) != path.read_bytes())
        original = path.read_bytes()
        path.write_bytes(content)
        hit = [original[a:b] != content[a:b] for a, b in itertools.pairwise(ends)]
        assert damage(path, thorough=True, grows=False) is not None
        check_the_reader(path, made)
        check_the_copy(path, made, hit)
        taken_for_a_crash = damage(path, thorough=True, grows=True) is None
        assert taken_for_a_crash >= (hit.index(True) == len(hit) - 1)
        assert taken_for_a_crash <= all(hit[hit.index(True) :])


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
