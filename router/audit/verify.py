"""Verifies a chain of records against itself and against checkpoints: one pass, flat in memory.

The chain alone finds accidents: whoever can write the file can make every hash anew. What a checkpoint that
was kept elsewhere says cannot be made to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from router.audit.checkpoints import Checkpoint
from router.audit.records import ORIGIN, Link, follows, is_like_record, link_of
from router.audit.streams import SUFFIXES, DamagedError, lines

STEP = 20_000
"""Records between two reports of progress."""


FIRST = 100
"""Lines at the beginning of a file among which one tells its place."""


class Place(NamedTuple):
    """A line of a file; the first one is 1."""

    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain is first not what it was.

    Attributes:
        what: what was done, as far as that can be told.
        first: the first record that it may concern.
        last: the last of those among which it is: `first`, where it is known exactly.
        place: where that was noticed; None where a file ends too soon.
    """

    what: str
    first: int
    last: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        first: the number of the first record that was looked for.
        last: the number of the last sound record; `first` - 1 where there is none.
        covered: up to which record a checkpoint agrees; 0 where none does.
        fault: the first; None where there is none.
        torn: unfinished lines at the ends of files: what crashes leave, no records.
        agreed: how many checkpoints agree.
        unasked: how many are about records before `first`.
    """

    first: int
    last: int
    covered: int
    fault: Fault | None
    torn: tuple[Place, ...]
    agreed: int
    unasked: int


@dataclass(slots=True)
class _Course:
    """How far the pass is: the next record is `n`, and remembers `prev`."""

    n: int
    prev: bytes
    start: int
    before: bytes = b""
    covered: int = 0
    agreed: int = 0
    last_place: Place | None = None
    torn: list[Place] = field(default_factory=list)
    held: dict[int, list[Checkpoint]] = field(default_factory=dict)


Line = tuple[bytes, Place]


def verify(
    files: Sequence[Path],
    checkpoints: Iterable[Checkpoint] = (),
    *,
    first: int = 1,
    progress: Callable[[int, int], None] = lambda _read, _records: None,
) -> Verdict:
    """Read all records once.

    Args:
        files: all of one chain, packed or not, in any order.
        checkpoints: of this chain; who signed them is not asked here.
        first: the number of the first record that is due; those before are known to be elsewhere.
        progress: told now and then how many bytes of the files, and how many records, have been read.

    Raises:
        OSError: a file cannot be read.
    """
    course = _Course(first, ORIGIN if first == 1 else b"", first)
    for checkpoint in checkpoints:
        course.held.setdefault(checkpoint.count, []).append(checkpoint)
    unasked = sum(len(found) for count, found in course.held.items() if count < first - 1)
    fault = _walk(course, _all_lines(in_order(files), progress))
    if fault is None and (most := max(course.held, default=0)) >= course.n:
        # A forger who takes one out and makes all hashes anew leaves one too few at the end.
        what = (
            f"cut: a checkpoint says that there were {most:,}; record {course.n:,} is the first that is"
            " missing, if none before it that no checkpoint covers was rewritten"
        )
        fault = Fault(what, max(course.covered + 1, first), most, None)
    return Verdict(first, course.n - 1, course.covered, fault, tuple(course.torn), course.agreed, unasked)


def in_order(files: Iterable[Path]) -> list[Path]:
    """The files by their first records, each once, no empty ones; as they are named, if one tells none.

    A crash while a file is packed leaves it beside the packed one: of two with the same content, one counts.
    """
    named = sorted(path for path in _distinct(files) if not _is_empty(path))
    keys: dict[Path, int] = {}
    for path in named:
        with path.open("rb") as file:
            links = islice(_links(path, file), FIRST)
            keys[path] = next((link.n for link in links if link is not None and link.is_sound), 0)
    return sorted(named, key=lambda path: keys[path]) if all(keys.values()) else named


def unchained(files: Iterable[Path]) -> list[Path]:
    """Those of whose lines none ever was a record of a chain, as far as that can be seen; sorted."""
    return sorted(path for path in _distinct(files) if not _is_empty(path) and not _is_chained(path))


def _is_chained(path: Path) -> bool:
    """Whether a line has at least the look of a record, sound or not; or none can be read.

    All lines are looked at before that is denied: whoever has put others in the place of the first ones must
    not pass for one who has named a wrong file.
    """
    with path.open("rb") as file:
        try:
            return any(is_like_record(line) or _begins_as_record(line) for line in lines(path.name, file))
        except DamagedError:
            return True  # told where the records are read


def _begins_as_record(line: bytes) -> bool:
    """Whether it may be the first part of a record, whose rest is not there."""
    return line.startswith(b"{") and not line.endswith(b"\n")


def _distinct(files: Iterable[Path]) -> list[Path]:
    known = {path.resolve(): path for path in files}
    twins = {
        path
        for path in known
        if path.suffix in SUFFIXES.values()
        and path.with_suffix("") in known
        and _is_same(path.with_suffix(""), path)
    }
    return [named for path, named in known.items() if path not in twins]


def _is_same(path: Path, packed: Path) -> bool:
    with path.open("rb") as one, packed.open("rb") as other:
        try:
            return all(line == twin for line, twin in zip_longest(one, lines(packed.name, other)))
        except DamagedError:
            return False


def _is_empty(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            return next(lines(path.name, file), None) is None
        except DamagedError:
            return False  # told where the records are read


def _links(path: Path, file: BinaryIO) -> Iterator[Link | None]:
    try:
        yield from map(link_of, lines(path.name, file))
    except DamagedError:
        return  # told where the records are read


def _all_lines(files: Sequence[Path], progress: Callable[[int, int], None]) -> Iterator[Line]:
    read = records = 0
    for path in files:
        with path.open("rb") as file:
            number = 0
            try:
                for number, line in enumerate(lines(path.name, file), 1):
                    yield line, Place(path, number)
                    if not number % STEP:
                        progress(read + file.tell(), records + number)
            except DamagedError:
                yield b"", Place(path, number + 1)
            read += file.tell()
            records += number
            progress(read, records)


def _walk(course: _Course, rest: Iterator[Line]) -> Fault | None:
    if course.n > 1 and course.n - 1 in course.held:
        course.prev = course.held[course.n - 1][0].head.encode()
    while True:
        for line, place in rest:
            digest = follows(line, course.n, course.prev)
            if digest is None:
                if not course.prev and (link := link_of(line)) is not None and link.n == course.n:
                    course.prev = link.prev  # what was before is not here, and no checkpoint tells
                    digest = follows(line, course.n, course.prev)
                if digest is None:
                    following = next(rest, None)
                    if not _is_torn(course, line, following):
                        return _judge(course, line, place, following, rest)
                    course.torn.append(place)
                    rest = chain(() if following is None else (following,), rest)
                    break
            course.before, course.prev, course.last_place = course.prev, digest, place
            if course.n in course.held and (fault := _compare(course, place)) is not None:
                return fault
            course.n += 1
        else:
            return None


def _is_torn(course: _Course, line: bytes, following: Line | None) -> bool:
    """Whether a crash left this at the end of a file: what is due comes in the next one, or nothing does."""
    if not line or line.endswith(b"\n"):
        return False
    return following is None or follows(following[0], course.n, course.prev) is not None


def _compare(course: _Course, place: Place) -> Fault | None:
    found = course.held[course.n]
    if any(checkpoint.head.encode() != course.prev for checkpoint in found):
        first = max(course.covered + 1, course.start)
        what = f"rewritten, hashes and all: the checkpoint at record {course.n:,} remembers another"
        return Fault(what, first, course.n, place)
    course.covered = course.n
    course.agreed += len(found)
    return None


def _judge(course: _Course, line: bytes, place: Place, following: Line | None, rest: Iterator[Line]) -> Fault:
    """What is wrong with a line that is not the record that is due."""
    n = course.n
    link = link_of(line)
    if link is None or not link.is_sound:
        if following is not None and follows(following[0], n, course.prev) is not None:
            return Fault("inserted", n, n, place)
        what = "changed" if line else "damaged: the packed file cannot be read from here on"
        return Fault(what, n, n, place)
    if link.n == n:
        return _another_past(course, place)
    if link.n < n:
        return _again(course, link, place, following)
    return _ahead(course, link, place, following, rest)


def _another_past(course: _Course, place: Place) -> Fault:
    """The record that is due, sound in itself, remembers another one before it than there is."""
    n = course.n
    if n == 1 or course.covered == n - 1 or course.last_place is None:
        return Fault("changed, and its hash with it", n, n, place)
    return Fault("changed, and its hash with it", n - 1, n - 1, course.last_place)


def _again(course: _Course, link: Link, place: Place, following: Line | None) -> Fault:
    """A record that has been there. Of two with the same number, the one that is not remembered is false."""
    sibling = link.n == course.n - 1 and link.prev == course.before and link.hash != course.prev
    if sibling and following is not None and follows(following[0], course.n, link.hash) is not None:
        return Fault("inserted", link.n, link.n, course.last_place)
    return Fault(f"inserted: record {link.n:,} stands here again", course.n, course.n, place)


def _ahead(course: _Course, link: Link, place: Place, following: Line | None, rest: Iterator[Line]) -> Fault:
    """A later record stands where another is due: that one is gone, or comes after it."""
    n = course.n
    due = following is not None and follows(following[0], n, course.prev) is not None
    again = False
    for line, _ in rest:
        due = due or follows(line, n, course.prev) is not None
        if due and (other := link_of(line)) is not None and other.n == link.n:
            again = True
            break
    if due and again:
        return Fault(f"inserted: record {link.n:,} stands here, too", n, n, place)
    if due:
        return Fault(f"reordered: record {link.n:,} stands here", n, n, place)
    return Fault("removed", n, link.n - 1, place)
