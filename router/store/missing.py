"""What a damaged segment had, and nobody has now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from router.store.layout import connect, is_log
from router.store.log import salvage as log
from router.store.salvage import BROKEN, Row, named, readable


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which events are lost.

    Attributes:
        first, last: sequences, both included; nothing tells where it ends where `last` is None.
        count: how many events; None where nothing tells.
    """

    first: int
    last: int | None
    count: int | None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a target had not got of the events that are lost, as far as `deliveries.sqlite` tells.

    Attributes:
        waiting: deliveries that were dead letters, or to be tried again.
        untried: events that came after all it was done with: not delivered, if it was to get them at all.
        unsure: whether there may be more of these in a gap of which nothing tells how many it had.
    """

    target: str
    waiting: int
    untried: int
    unsure: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """The events of a damaged database that cannot be read.

    Attributes:
        count: how many are known to be lost; there may be more where a gap's count is None.
        undelivered: by target; those that had got everything are left out.
        waiting: the lost events of which deliveries are dead, or to be tried again.
    """

    count: int
    gaps: tuple[Gap, ...]
    undelivered: tuple[Undelivered, ...]
    waiting: tuple[int, ...]

    def __bool__(self) -> bool:
        """Whether anything is, or may be, lost."""
        return bool(self.gaps)


def missing(
    path: Path, have: AbstractSet[int], span: tuple[int, int | None], others: Sequence[Path]
) -> Missing:
    """What a database of events had, and nobody has now.

    Args:
        path: the database's.
        have: the events in it that can be read.
        span: the first and last sequence that it may hold; None where it is the last one.
        others: the other databases of events: what stands there is not lost.
    """
    marks, told = _told(path.parent.parent / "deliveries.sqlite", span)
    names = named(path)
    waiting = {row[1] for row in told if row[2] in _UNFINISHED}
    head = max([*marks.values(), *(row[1] for row in told)], default=0)
    end = head if span[1] is None else span[1]
    lost = {at for at in names.sequences if span[1] is None or at <= end} | waiting
    lost -= have
    lost -= _standing_in(others, lost)
    known = have | lost
    unsure = [
        Gap(first, last if last is not None else (end if end >= first else None), None)
        for first, last in names.torn
        if last is None or sum(first <= at <= last for at in known) <= last - first
    ]
    gaps = (*_runs(sorted(known), lost), *unsure)
    targets = sorted({*marks, *(row[0] for row in told)} - {""})
    undelivered = [_undelivered(target, marks, told, lost, unsure) for target in targets]
    worth = tuple(one for one in undelivered if one.waiting or one.untried or one.unsure)
    return Missing(len(lost), gaps, worth, tuple(sorted(waiting & lost)))


_UNFINISHED = frozenset({"retrying", "dead"})


def _told(deliveries: Path, span: tuple[int, int | None]) -> tuple[dict[str, int], list[Row]]:
    """The watermarks, and the rows of exceptions about a span of events."""
    first, last = span
    marks: dict[str, int] = {}
    rows_: list[Row] = []
    for table, row in readable(deliveries, twice=False) if deliveries.exists() else ():
        if table.name == "watermarks":
            marks[row[0]] = row[1]
        elif table.name == "exceptions" and first <= row[1] and (last is None or row[1] <= last):
            rows_.append((row[0], row[1], row[3]))
    return marks, rows_


def _standing_in(others: Sequence[Path], sequences: AbstractSet[int]) -> set[int]:
    """Those of the events that stand in another database."""
    found: set[int] = set()
    for path in others if sequences else ():
        if is_log(path):
            found |= log.holds(path, set(sequences))
            continue
        with contextlib.suppress(*BROKEN), closing(connect(path, writing=False)) as source:
            for sequence in sequences:
                if source.execute("SELECT 1 FROM events WHERE sequence = ?", (sequence,)).fetchone():
                    found.add(sequence)
    return found


def _runs(known: Sequence[int], lost: AbstractSet[int]) -> Iterator[Gap]:
    """The lost events that stand side by side."""
    for is_lost, run in groupby(known, lost.__contains__):
        if is_lost:
            sequences = list(run)
            yield Gap(sequences[0], sequences[-1], len(sequences))


def _undelivered(
    target: str, marks: Mapping[str, int], told: Sequence[Row], lost: AbstractSet[int], unsure: Sequence[Gap]
) -> Undelivered:
    mark = marks.get(target, marks.get("", 0))
    theirs = [row for row in told if row[0] == target and row[1] in lost]
    untried = {at for at in lost if at > mark} - {row[1] for row in theirs}
    waiting = sum(row[2] in _UNFINISHED for row in theirs)
    more = any(gap.last is None or gap.last > mark for gap in unsure)
    return Undelivered(target, waiting, len(untried), more)
