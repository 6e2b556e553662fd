"""Writes down what became of deliveries: outcomes, watermarks, and who has been under way for long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import anyio

from router.clock import Clock
from router.store import rows
from router.store.base import Settlement, State
from router.store.lane import Key, Lane, Lanes
from router.store.ledger import Statement, Statements
from router.store.queries import DELIVERIES
from router.store.writer import GroupWriter

LAGGARD = 1.0
"""Seconds under way after which a first try is written down, so that a crash repeats it alone, and not
everything that was delivered after it."""

SWEEP = 1.0
"""Seconds between two times at which the watermarks of idle targets follow: a start has less to read then."""

_DELIVERED = State.DELIVERED  # to look it up for each delivery would cost as much as all else about it


@dataclass(slots=True)
class _News:
    """What is to be written of a lane.

    Attributes:
        done: what is settled.
        retried: of that, the retries, what was not delivered, and what lasts: these are exceptions, or cease
            to be, or may have to become one.
        slow: first tries that become exceptions and stay under way.
        early: those of them that were delivered above the watermark.
        mark: the watermark.
    """

    lane: Lane
    done: set[Key] = field(default_factory=set)
    retried: list[tuple[Key, Settlement]] = field(default_factory=list)
    slow: set[Key] = field(default_factory=set)
    early: set[Key] = field(default_factory=set)
    mark: int = 0


class Settling:
    """See `router.store.base.Store.settle`.

    Args:
        marks: the watermarks on disk.
    """

    def __init__(
        self, lanes: Lanes, writer: GroupWriter[Statements], clock: Clock, marks: dict[str, int]
    ) -> None:
        self._lanes = lanes
        self._writer = writer
        self._clock = clock
        self._marks = marks
        self._swept = -math.inf
        self._turn = anyio.Lock()

    async def settle(self, settlements: Sequence[Settlement], patience: float = LAGGARD) -> None:
        """Commit outcomes and watermarks, and first tries under way for `patience` seconds as exceptions.

        One call at a time: a watermark must not pass what an earlier call did not write.
        """
        async with self._turn:
            await self._write_down(settlements, patience)

    async def _write_down(self, settlements: Sequence[Settlement], patience: float) -> None:
        now = self._clock.now()
        sweeps = not settlements or abs(now - self._swept) >= SWEEP
        news = self._gathered(settlements, now - patience, now, sweeps=sweeps)
        marks = {target: one.mark for target, one in news.items() if self._marks.get(target) != one.mark}
        if sweeps:
            marks[""] = self._lanes.head
        statements = [
            *self._outcomes(news, now),
            (DELIVERIES["end_exception"], list(_passed(news))),
            (DELIVERIES["set_exception"], list(_laggards(news))),
            (DELIVERIES["set_watermark"], list(marks.items())),
        ]
        swept = now if sweeps else self._swept
        self._swept = -math.inf  # where this fails, the next one sweeps
        if work := [statement for statement in statements if statement[1]]:
            with anyio.CancelScope(shield=True):
                await self._writer.submit(work)
        self._swept = swept
        self._marks |= marks
        for one in news.values():
            one.lane.settled(one.done, one.slow, one.early, one.mark)

    def _gathered(
        self, settlements: Sequence[Settlement], since: float, now: float, *, sweeps: bool
    ) -> dict[str, _News]:
        """What there is to write, by target.

        Lanes of which nothing has been settled are left out: their watermarks are as they were, unless time
        or an operator has moved them. That of an idle one follows with the next sweep.
        """
        news: dict[str, _News] = {}
        for settlement in settlements:
            delivery = settlement.delivery
            if (one := news.get(delivery.target)) is None:
                one = news[delivery.target] = _News(self._lanes[delivery.target])
            key = (delivery.sequence, delivery.variant)
            one.done.add(key)
            if settlement.state is not _DELIVERED or settlement.lasting or key in one.lane.again:
                one.retried.append((key, settlement))
        for target, lane in self._lanes.items():
            slow = lane.slow(since, now) if lane.claimed else set()
            if (one := news.get(target)) is None and (slow or lane.decreed or sweeps):
                one = news[target] = _News(lane)
            lane.decreed = False
            if one is not None:
                one.slow = slow - one.done
                one.mark = lane.watermark(self._lanes.head, besides=one.done | one.slow)
                one.early = {key for key, it in one.retried if it.state is _DELIVERED and key[0] > one.mark}
        return news

    def _outcomes(self, news: dict[str, _News], now: float) -> Iterator[Statement]:
        kept: list[tuple[str, int, str, str, float, bytes]] = []
        gone: list[tuple[float, bytes, str, int, str]] = []
        for target, one in news.items():
            for key, settlement in one.retried:
                history = rows.encode_attempts(settlement.tried().attempts)
                if settlement.state is not _DELIVERED or key in one.early:
                    at = now if settlement.due is None else settlement.due
                    kept.append((target, *key, settlement.state.value, at, history))
                elif key in one.lane.again:
                    gone.append((now, history, target, *key))
        yield DELIVERIES["set_exception"], kept
        yield DELIVERIES["end_moved"], gone
        yield DELIVERIES["end_exception"], [row[2:] for row in gone]


def _passed(news: dict[str, _News]) -> Iterator[tuple[str, int, str]]:
    """Early ones that the watermark has passed."""
    for target, one in news.items():
        yield from ((target, *key) for key in one.lane.early if key[0] <= one.mark)


def _laggards(news: dict[str, _News]) -> Iterator[tuple[str, int, str, str, float, bytes]]:
    """First tries that have been under way for long become exceptions, and hold no watermark back."""
    for target, one in news.items():
        for key in one.slow:
            since = one.lane.claimed[key]
            yield (target, *key, State.RETRYING.value, since, rows.encode_attempts(()))
