"""Logs of groups made by chance, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hypothesis import strategies as st

from router.store.log.format import Columns
from router.store.log.reading import LogVolume
from router.store.log.writing import LogWriter, create
from router.store.rows import Arrival

FIRST = 100
"""The lowest sequence that a log of these tests may have."""

MOST = 1 << 30

Event = tuple[int, float, bytes, bytes, bytes]
"""Sequence, received, fingerprint, routes, record."""


def columns(first: int, *records: bytes, received: float = 1.0) -> Columns:
    """A group of events side by side."""
    count = len(records)
    return Columns(
        sequences=range(first, first + count),
        received=[received] * count,
        fingerprints=[b"f" * 16] * count,
        routes=[b"routes"] * count,
        records=records,
    )


@st.composite
def groups(draw: st.DrawFn, most: int = 6) -> list[Columns]:
    """Groups of rising sequences with gaps; their times jump."""
    made: list[Columns] = []
    sequence = FIRST
    for count in draw(st.lists(st.integers(1, 5), max_size=most)):
        sequences = []
        for gap in draw(st.lists(st.sampled_from([1, 1, 1, 7]), min_size=count, max_size=count)):
            sequences.append(sequence)
            sequence += gap
        bodies = draw(st.lists(st.binary(max_size=40), min_size=count, max_size=count))
        times = draw(st.lists(st.integers(0, 20).map(float), min_size=count, max_size=count))
        prints = [draw(st.sampled_from([b"", bytes(16), b"%016d" % number])) for number in sequences]
        original = draw(st.sampled_from([(), ((sequences[0], b"body", "text/plain"),)]))
        made.append(Columns(sequences, times, prints, [b"to %d" % at for at in sequences], bodies, original))
    return made


def events_of(made: Sequence[Columns]) -> list[Event]:
    return [event for one in made for event in zip(*one[:5], strict=True)]


def write(path: Path, made: Sequence[Columns]) -> list[int]:
    """Append groups to a new log; return where each of them ends, and before them where the first begins."""
    create(path, FIRST)
    with closing(LogWriter(path, MOST)) as log:
        ends = [log.end]
        for one in made:
            log.append(one)
            ends.append(log.end)
    return ends


def arrivals_of(volume: LogVolume) -> Iterator[Arrival]:
    """All of them, a few at a time."""
    first = 0
    while found := volume.arrivals(first, MOST, 3):
        yield from found
        first = found[-1].sequence + 1


def read(volume: LogVolume) -> list[Event]:
    """What a log gives."""
    return [
        (one.sequence, one.received, one.fingerprint, one.routes, volume.row(one.sequence) or b"")
        for one in arrivals_of(volume)
    ]
