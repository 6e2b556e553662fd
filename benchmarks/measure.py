"""Timing, side by side.

The events are taken in chunks. On each chunk the yardstick and everything that is compared with it run one
after the other, on the next one in the opposite order, so that a slow phase of the machine hits all of them.
What is reported is the median over the chunks: of the time, and of the quotient of two times on one chunk.

Time is that of the processor, not of the clock. On a machine that does other things as well, the clock counts
turns of other processes too, and more of them for whatever takes longer than a turn.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from time import process_time_ns

import orjson

Matcher = Callable[[bytes], Iterable[str]]
"""From an event's JSON text to the names of the rules that match it."""

YARDSTICK = "orjson.loads"
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Race:
    """What was measured.

    Attributes:
        times: nanoseconds an event, of each chunk, by the contestant's name.
        matches: how many events each rule matched, by the contestant's name.
    """

    times: Mapping[str, Sequence[float]]
    matches: Mapping[str, Counter[str]]

    def nanoseconds(self, name: str) -> float:
        """Nanoseconds an event."""
        return statistics.median(self.times[name])

    def ratio(self, name: str, to: str = YARDSTICK) -> float:
        """How many times as fast as another one it is."""
        return statistics.median(
            other / own for own, other in zip(self.times[name], self.times[to], strict=True)
        )


def race(lines: Sequence[bytes], matchers: Mapping[str, Matcher], chunk: int = CHUNK) -> Race:
    """Give all lines to `orjson.loads` and to each of these matchers."""
    times: dict[str, list[float]] = {name: [] for name in (YARDSTICK, *matchers)}
    matches: dict[str, Counter[str]] = {name: Counter() for name in matchers}
    order = list(times)
    for start in range(0, len(lines), chunk):
        part = lines[start : start + chunk]
        for name in order:
            if name == YARDSTICK:
                spent = _loads(part)
            else:
                spent, found = _match(matchers[name], part)
                matches[name].update(chain.from_iterable(found))
            times[name].append(spent / len(part))
        order.reverse()
    return Race(times, matches)


def _loads(lines: Sequence[bytes]) -> int:
    began = process_time_ns()
    deque(map(orjson.loads, lines), maxlen=0)
    return process_time_ns() - began


def _match(matcher: Matcher, lines: Sequence[bytes]) -> tuple[int, list[Iterable[str]]]:
    began = process_time_ns()
    found = list(map(matcher, lines))
    return process_time_ns() - began, found
