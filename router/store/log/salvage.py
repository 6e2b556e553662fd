"""Reads what can be read of a damaged log, group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from router.store.advice import DamagedError
from router.store.log.checking import tail_of
from router.store.log.format import BEGIN, Columns, Front, Head, decode_original
from router.store.log.walking import Damage, Group, LogFile
from router.store.log.writing import create

_BROKEN = (DamagedError, OSError)


def readable(path: Path, *, grows: bool) -> Iterator[Columns]:
    """All events of a log that can be read, those of each group together.

    Args:
        path: the log's.
        grows: whether it may end with what a crash has left: that never was.

    Yields:
        what is left of a group. Of an event whose record alone is torn there is the rest.
    """
    with suppress(*_BROKEN), closing(LogFile(path, lenient=True)) as file:
        for item in file.walk(BEGIN, _end(file, grows=grows), -1):
            front = file.read_front(item) if isinstance(item, Group) else None
            if front is not None and front.arrivals:
                yield _columns(file, front)


def _columns(file: LogFile, front: Front) -> Columns:
    originals = []
    for sequence, piece in front.originals.items():
        data = file.read_piece(piece)
        with suppress(msgspec.DecodeError):
            original = decode_original(data or b"")
            originals.append((sequence, original.body, original.content_type))
    return Columns(
        sequences=front.sequences,
        received=[arrival.received for arrival in front.arrivals],
        fingerprints=[arrival.fingerprint for arrival in front.arrivals],
        routes=[arrival.routes for arrival in front.arrivals],
        records=[file.read_piece(piece) or b"" for piece in front.records],
        originals=originals,
    )


class Copy(NamedTuple):
    """What was copied of a log.

    Attributes:
        rows: how many events and requests.
        sequences: the events.
        lost: why others were left out that can be read.
    """

    rows: int
    sequences: set[int]
    lost: tuple[str, ...]


def copied(path: Path, to: Path, lost: Callable[[tuple[object, ...]], str | None], *, grows: bool) -> Copy:
    """Make a log of what can be read of another one.

    Args:
        path: the old one's.
        to: where the new one is to be.
        lost: why an event (sequence, received, fingerprint, routes, record) is left out, or None.
        grows: as with `readable`.
    """
    sequences: set[int] = set()
    left_out: dict[str, None] = {}
    rows = 0

    def groups() -> Iterator[Columns]:
        nonlocal rows
        for columns in readable(path, grows=grows):
            kept = []
            for row in zip(*columns[:5], strict=True):
                if (why := lost(row)) is None:
                    kept.append(row)
                else:
                    left_out[why] = None
            sequences.update(row[0] for row in kept)
            rows += len(kept) + len(columns.originals)
            if kept:
                yield Columns._make([*zip(*kept, strict=True), columns.originals])

    create(to, int(path.stem), groups())
    return Copy(rows, sequences, tuple(left_out))


def named(path: Path, *, grows: bool) -> tuple[set[int], list[tuple[int, int | None]]]:
    """Which events a log tells of, whether or not they can be read; and stretches of which it does not.

    Returns:
        sequences, and the first and last sequence of each stretch, both included; None where it has no end.
    """
    sequences: set[int] = set()
    torn: list[tuple[int, int | None]] = []
    try:
        with closing(LogFile(path, lenient=True)) as file:
            after, is_closed = file.header.first - 1, grows
            for item in file.walk(BEGIN, _end(file, grows=grows), -1):
                if isinstance(item, Damage):
                    torn.append((after + 1, None if item.before is None else item.before - 1))
                    continue
                after, is_closed = item.head.last, grows or item.head.is_end
                if (front := file.read_front(item)) is not None:
                    sequences.update(front.sequences)
                elif _is_dense(item.head):
                    sequences.update(range(item.head.first, item.head.last + 1))
                else:
                    torn.append((item.head.first, item.head.last))
            if not (is_closed or (torn and torn[-1][1] is None)):
                torn.append((after + 1, None))
    except _BROKEN:
        return sequences, [(int(path.stem), None)]
    return sequences, torn


def holds(path: Path, sequences: set[int]) -> set[int]:
    """Those of the events that a log has."""
    return sequences & {at for columns in readable(path, grows=False) for at in columns.sequences}


def _is_dense(head: Head) -> bool:
    """Whether each of its sequences has an event."""
    return head.last - head.first + 1 == head.events


def _end(file: LogFile, *, grows: bool) -> int:
    return tail_of(file).known.end if grows else file.size()
