"""Writes down what became of deliveries: outcomes, watermarks, and who has been under way for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import anyio

from router.clock import Clock
from router.store import rows
from router.store.base import Settlement, State
from router.store.lane import Key, Lanes, key_of
from router.store.queries import DELIVERIES
from router.store.writer import GroupWriter, Statement

LAGGARD = 1.0
"""Seconds under way after which a first try is written down, so that a crash repeats it alone, and not
everything that was delivered after it."""


class Settling:
    """See `router.store.base.Store.settle`.

    Args:
        marks: the watermarks on disk.
    """

    def __init__(self, lanes: Lanes, writer: GroupWriter, clock: Clock, marks: dict[str, int]) -> None:
        self._lanes = lanes
        self._writer = writer
        self._clock = clock
        self._marks = marks
        self._turn = anyio.Lock()

    async def settle(self, settlements: Sequence[Settlement], patience: float = LAGGARD) -> None:
        """Commit outcomes and watermarks, and first tries under way for `patience` seconds as exceptions.

        One call at a time: a watermark must not pass what an earlier call did not write.
        """
        async with self._turn:
            await self._write_down(settlements, patience)

    async def _write_down(self, settlements: Sequence[Settlement], patience: float) -> None:
        now = self._clock.now()
        done: dict[str, set[Key]] = {target: set() for target in self._lanes}
        for settlement in settlements:
            done[settlement.delivery.target].add(key_of(settlement.delivery))
        slow = {target: lane.slow(now - patience, now) - done[target] for target, lane in self._lanes.items()}
        marks = {
            target: lane.watermark(self._lanes.head, besides=done[target] | slow[target])
            for target, lane in self._lanes.items()
        } | {"": self._lanes.head}
        early = self._early(settlements, marks)
        statements = [
            *self._outcomes(settlements, early, now),
            (DELIVERIES["end_exception"], self._passed(marks)),
            (DELIVERIES["set_exception"], list(self._laggards(slow))),
            (DELIVERIES["set_watermark"], self._moved(marks)),
        ]
        if work := [statement for statement in statements if statement[1]]:
            with anyio.CancelScope(shield=True):
                await self._writer.submit(work)
        self._marks |= marks
        for target, keys in done.items():
            self._lanes[target].settled(keys, slow[target], early[target], marks[target])

    def _early(self, settlements: Sequence[Settlement], marks: dict[str, int]) -> dict[str, set[Key]]:
        """Retries that were delivered above their target's watermark."""
        early: dict[str, set[Key]] = {target: set() for target in self._lanes}
        for settlement in settlements:
            target, key = settlement.delivery.target, key_of(settlement.delivery)
            retried = settlement.state is State.DELIVERED and key in self._lanes[target].again
            if retried and key[0] > marks[target]:
                early[target].add(key)
        return early

    def _passed(self, marks: dict[str, int]) -> list[tuple[str, int, str]]:
        return [
            (target, *key)
            for target, lane in self._lanes.items()
            for key in lane.early
            if key[0] <= marks[target]
        ]

    def _outcomes(
        self, settlements: Sequence[Settlement], early: dict[str, set[Key]], now: float
    ) -> Iterator[Statement]:
        kept: list[tuple[str, int, str, str, float, bytes]] = []
        gone: list[tuple[float, bytes, str, int, str]] = []
        for settlement in settlements:
            delivery = settlement.delivery
            target, key = delivery.target, key_of(delivery)
            if settlement.state is not State.DELIVERED or key in early[target]:
                at = now if settlement.due is None else settlement.due
                kept.append((target, *key, settlement.state.value, at, _history(settlement)))
            elif key in self._lanes[target].again:
                gone.append((now, _history(settlement), target, *key))
        yield DELIVERIES["set_exception"], kept
        yield DELIVERIES["end_moved"], gone
        yield DELIVERIES["end_exception"], [row[2:] for row in gone]

    def _laggards(self, slow: dict[str, set[Key]]) -> Iterator[tuple[str, int, str, str, float, bytes]]:
        """First tries that have been under way for long become exceptions, and hold no watermark back."""
        for target, keys in slow.items():
            for key in keys:
                since = self._lanes[target].claimed[key]
                yield (target, *key, State.RETRYING.value, since, rows.encode_attempts(()))

    def _moved(self, marks: dict[str, int]) -> list[tuple[str, int]]:
        return [(target, at) for target, at in marks.items() if self._marks.get(target) != at]


def _history(settlement: Settlement) -> bytes:
    return rows.encode_attempts(settlement.tried().attempts)
