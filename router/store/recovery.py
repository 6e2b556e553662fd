"""What an earlier life has left unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from router.store import rows
from router.store.lane import Lanes
from router.store.queries import DELIVERIES
from router.store.reader import Reader


def recover(lanes: Lanes, reader: Reader, marks: dict[str, int]) -> None:
    """Let lanes know what was not finished: one pass over the routes above the lowest watermark.

    Nothing of it is held in memory: a backlog is as long as it is.

    Args:
        lanes: empty ones.
        reader: who reads.
        marks: the watermarks on disk; under "" the floor.
    """
    floor = marks.get("", 0)
    told: dict[str, _Told] = {}
    for target in marks.keys() - {""}:
        lanes[target]  # a finished one too: its watermark moves on, and the next pass is short
    for arrival in reader.archive.arrivals(min(marks.values(), default=0) + 1, lanes.head):
        for route in rows.decode_routes(arrival.routes):
            mark = marks.get(route.target, floor)
            if arrival.sequence <= mark:
                continue
            if route.target not in told:
                told[route.target] = _Told(reader, route.target, mark)
            if route.variant not in told[route.target].of(arrival.sequence):
                lane = lanes[route.target]
                lane.pending += 1
                lane.unread = arrival.sequence if lane.unread is None else lane.unread
    for target, sequence, variant in reader.deliveries.execute(DELIVERIES["early"]):
        lanes[target].early.add((sequence, variant))


class _Told:
    """The exceptions of a target above its watermark, asked for by rising sequence."""

    def __init__(self, reader: Reader, target: str, mark: int) -> None:
        found = reader.deliveries.execute(DELIVERIES["exceptions_after"], (target, mark))
        self._groups: Iterator[tuple[int, Iterator[tuple[int, str]]]] = groupby(found, key=itemgetter(0))
        self._sequence = -1
        self._variants: frozenset[str] = frozenset()

    def of(self, sequence: int) -> frozenset[str]:
        """The variants of an event that are exceptions."""
        while self._sequence < sequence:
            at, group = next(self._groups, (sequence + 1, iter(())))
            self._sequence, self._variants = at, frozenset(variant for _, variant in group)
        return self._variants if self._sequence == sequence else frozenset()
