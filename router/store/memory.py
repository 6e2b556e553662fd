"""The store in memory: for tests and trials. It forgets everything when it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from operator import itemgetter

from router.clock import Clock
from router.store.base import (
    DeadLetter,
    Delivery,
    Record,
    Settlement,
    State,
    Stored,
    Tally,
    delivery_of,
)
from router.store.lane import Key, Lane, key_of


class MemoryStore:
    """See `router.store.base.Store`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = int(clock.now() * 1000) * 1000
        self._records: dict[int, Record] = {}
        self._lanes: dict[str, Lane] = {}
        self._retries: dict[tuple[str, Key], tuple[float, Delivery]] = {}
        self._dead: dict[tuple[str, Key], DeadLetter] = {}
        self._versions: dict[str, str] = {}
        self._due_until = 0.0

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """See `Store.append`."""
        sequences = range(self._next, self._next + len(records))
        self._next = sequences.stop
        for sequence, record in zip(sequences, records, strict=True):
            self._records[sequence] = record
            for route in record.routes:
                lane = self._lane(route.target)
                lane.put(delivery_of(sequence, route, record))
                lane.pending += 1
                lane.notify()
        return sequences

    def _lane(self, target: str) -> Lane:
        return self._lanes.setdefault(target, Lane())

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim`."""
        lane = self._lane(target)
        while True:
            seen = lane.news
            if taken := self._take_due(target, lane, most) or lane.take(most, self._clock.now()):
                lane.pass_on()
                return taken
            await lane.newer(seen)

    def _take_due(self, target: str, lane: Lane, most: int) -> list[Delivery]:
        due = [
            (at, delivery)
            for (name, key), (at, delivery) in self._retries.items()
            if name == target and at <= self._due_until and key not in lane.again
        ]
        waiting = [delivery for _, delivery in sorted(due, key=itemgetter(0))[:most]]
        lane.again.update(key_of(delivery) for delivery in waiting)
        return waiting

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `Store.settle`."""
        now = self._clock.now()
        for settlement in settlements:
            delivery = settlement.delivery
            place = (delivery.target, key_of(delivery))
            tried = settlement.tried()
            self._retries.pop(place, None)
            if settlement.state is State.RETRYING:
                self._retries[place] = (now if settlement.due is None else settlement.due, tried)
            elif settlement.state is State.DEAD:
                self._dead[place] = DeadLetter(tried, now)
            self._lane(delivery.target).finish(key_of(delivery))

    async def due(self, now: float) -> float | None:
        """See `Store.due`."""
        self._due_until = now
        for lane in self._lanes.values():
            lane.notify()
        return min((at for at, _ in self._retries.values() if at > now), default=None)

    async def scan(self, first: int = 0, last: int | None = None) -> AsyncIterator[Stored]:
        """See `Store.scan`."""
        for sequence, record in list(self._records.items()):
            if first <= sequence and (last is None or sequence <= last):
                yield Stored(sequence, record)

    async def dead(self, target: str | None = None) -> Sequence[DeadLetter]:
        """See `Store.dead`."""
        return [letter for (name, _), letter in self._dead.items() if target in {None, name}]

    async def tally(self) -> dict[str, Tally]:
        """See `Store.tally`."""
        tallies = {
            target: Tally(
                pending=lane.pending,
                retrying=sum(name == target for name, _ in self._retries),
                dead=sum(name == target for name, _ in self._dead),
            )
            for target, lane in self._lanes.items()
        }
        return {target: tally for target, tally in tallies.items() if tally != Tally()}

    async def remember(self, version: str, text: str) -> None:
        """See `Store.remember`."""
        self._versions[version] = text

    async def recall(self, version: str) -> str | None:
        """See `Store.recall`."""
        return self._versions.get(version)

    async def close(self) -> None:
        """See `Store.close`."""
