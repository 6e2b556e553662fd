"""The store in memory: for tests and trials. It forgets everything when it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from operator import attrgetter, itemgetter

import msgspec

from router.clock import Clock
from router.store.base import (
    Attempt,
    Delivery,
    Extent,
    Place,
    Record,
    Settlement,
    Standing,
    State,
    Stored,
    Tally,
    delivery_of,
)
from router.store.lane import Lane, key_of

UNFINISHED = frozenset({State.PENDING, State.IN_FLIGHT, State.RETRYING})


class MemoryStore:
    """See `router.store.base.Store`.

    A delivery that was never settled stands in its lane alone; every other one has a word in `_told`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = int(clock.now() * 1000) * 1000
        self._records: dict[int, Record] = {}
        self._lanes: dict[str, Lane] = {}
        self._told: dict[Place, Standing] = {}
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

    async def probe(self) -> None:
        """See `Store.probe`."""

    def _lane(self, target: str) -> Lane:
        return self._lanes.setdefault(target, Lane())

    # -- delivering ---------------------------------------------------------------------------------------

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim`."""
        while not (taken := self.claim_now(target, most)):
            lane = self._lane(target)
            await lane.newer(lane.news, most)
        return taken

    def claim_now(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim_now`. All of it is in memory."""
        lane = self._lane(target)
        taken = self._take_due(target, lane, most) or lane.take(most, self._clock.now())
        if taken:
            lane.pass_on()  # nobody has counted the retries
        return taken

    def news(self, target: str, most: int) -> Awaitable[None]:
        """See `Store.news`."""
        return self._lane(target).wait(most)

    def rouse(self, target: str) -> None:
        """See `Store.rouse`."""
        self._lane(target).rouse()

    def _take_due(self, target: str, lane: Lane, most: int) -> list[Delivery]:
        due = [
            told
            for place, told in self._waiting(target)
            if _time(told) <= self._due_until and (place.sequence, place.variant) not in lane.again
        ]
        waiting = [told.delivery for told in sorted(due, key=_time)[:most]]
        lane.take_again(waiting, self._clock.now())
        return waiting

    def _waiting(self, target: str | None = None) -> Iterator[tuple[Place, Standing]]:
        for place, told in self._told.items():
            if told.state is State.RETRYING and target in {None, place.target}:
                yield place, told

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `Store.settle`."""
        now = self._clock.now()
        for settlement in settlements:
            delivery, state = settlement.delivery, settlement.state
            at = now if settlement.due is None else settlement.due
            self._tell(settlement.tried(), state, at if state in {State.RETRYING, State.DEAD} else None)
            self._lane(delivery.target).finish((key_of(delivery),))

    def _tell(self, delivery: Delivery, state: State, at: float | None = None) -> None:
        self._told[delivery.place] = Standing(delivery, state, at)

    async def due(self, now: float) -> float | None:
        """See `Store.due`."""
        self._due_until = now
        for lane in self._lanes.values():
            lane.notify()
        return min((_time(told) for _, told in self._waiting() if _time(told) > now), default=None)

    # -- an operator's words ------------------------------------------------------------------------------

    async def redrive(self, places: Sequence[Place], now: float, to: str | None = None) -> int:
        """See `Store.redrive`."""
        again = Attempt(at=now, seconds=0.0, redrive=True)
        count = 0
        for place in sorted(dict.fromkeys(places), key=lambda place: place.target != to):
            standing = self._standing(place)
            if standing is None:
                continue
            if to is not None and to != place.target:
                count += self._move(standing, to, now, again)
            elif standing.state is State.DEAD:
                self._revive(standing.delivery, now, again)
                count += 1
        return count

    def _move(self, standing: Standing, to: str, now: float, again: Attempt) -> bool:
        if not self._cancel(standing):
            return False
        there = self._standing(standing.delivery.place._replace(target=to))
        if there is None:
            self._revive(msgspec.structs.replace(standing.delivery, target=to), now, again)
        elif there.state in {State.DEAD, State.CANCELLED}:
            self._revive(there.delivery, now, again)
        return True

    def _revive(self, delivery: Delivery, now: float, again: Attempt) -> None:
        tried = msgspec.structs.replace(delivery, attempts=(*delivery.attempts, again))
        self._tell(tried, State.RETRYING, now)
        self._due_until = max(self._due_until, now)
        self._lane(delivery.target).notify()

    async def cancel(self, places: Sequence[Place]) -> int:
        """See `Store.cancel`."""
        found = (self._standing(place) for place in dict.fromkeys(places))
        return sum(self._cancel(standing) for standing in found if standing is not None)

    def _cancel(self, standing: Standing) -> bool:
        if standing.state not in {State.DEAD, State.RETRYING, State.PENDING}:
            return False
        if standing.state is State.PENDING:
            lane, key = self._lane(standing.delivery.target), key_of(standing.delivery)
            lane.withhold({key})
            lane.decided(gone={key})
        self._tell(standing.delivery, State.CANCELLED)
        return True

    # -- looking ------------------------------------------------------------------------------------------

    def _standing(self, place: Place) -> Standing | None:
        lane, key = self._lane(place.target), (place.sequence, place.variant)
        told = self._told.get(place)
        claimed = lane.under_way().get(key)
        if told is None:
            record = self._records.get(place.sequence)
            routes = () if record is None else record.routes
            route = next((one for one in routes if (one.target, one.variant) == place[1:]), None)
            if record is None or route is None:
                return None
            told = Standing(delivery_of(place.sequence, route, record), State.PENDING)
        return told if claimed is None else Standing(told.delivery, State.IN_FLIGHT, claimed)

    def _all(self) -> list[Standing]:
        """Every delivery there is, in the order of the places."""
        places = {
            Place(sequence, route.target, route.variant)
            for sequence, record in self._records.items()
            for route in record.routes
        }
        found = (self._standing(place) for place in sorted(places | self._told.keys()))
        return [standing for standing in found if standing is not None]

    async def standing(
        self,
        states: Collection[State],
        target: str | None = None,
        after: Place | None = None,
        most: int = 1_000,
    ) -> Sequence[Standing]:
        """See `Store.standing`."""
        return [
            standing
            for standing in self._all()
            if standing.state in states
            and target in {None, standing.delivery.target}
            and (after is None or standing.delivery.place > after)
        ][:most]

    async def of_event(self, sequence: int) -> Sequence[Standing]:
        """See `Store.of_event`."""
        return [standing for standing in self._all() if standing.delivery.sequence == sequence]

    async def get(self, sequence: int) -> Stored | None:
        """See `Store.get`."""
        record = self._records.get(sequence)
        return None if record is None else Stored(sequence, record)

    async def first_at(self, when: float) -> int:
        """See `Store.first_at`."""
        return min(
            (at for at, record in self._records.items() if record.received >= when), default=self._next
        )

    async def scan(
        self, first: int = 0, last: int | None = None, missed: Callable[[float], None] | None = None
    ) -> AsyncIterator[Stored]:
        """See `Store.scan`."""
        del missed  # whatever is there can be read
        for sequence, record in list(self._records.items()):
            if first <= sequence and (last is None or sequence <= last):
                yield Stored(sequence, record)

    async def tally(self) -> dict[str, Tally]:
        """See `Store.tally`."""
        states = [(told.delivery.target, told.state) for told in self._told.values()]
        tallies = {
            target: Tally(
                pending=lane.pending,
                retrying=states.count((target, State.RETRYING)),
                dead=states.count((target, State.DEAD)),
            )
            for target, lane in self._lanes.items()
        }
        return {target: tally for target, tally in tallies.items() if tally != Tally()}

    async def upcoming(self) -> dict[str, float]:
        """See `Store.upcoming`."""
        found: dict[str, float] = {}
        for told in self._told.values():
            if told.state is State.RETRYING and told.at is not None:
                found[told.delivery.target] = min(told.at, found.get(told.delivery.target, told.at))
        return found

    # -- the archive --------------------------------------------------------------------------------------

    async def trim(self, before: float, most: int) -> int:
        """See `Store.trim`. Its portions are single records."""
        needed = {one.delivery.sequence for one in self._all() if one.state in UNFINISHED | {State.DEAD}}
        size = 0
        gone: set[int] = set()
        for sequence, record in sorted(self._records.items(), reverse=True):
            size += _size(record)
            if sequence not in needed and (size > most or record.received < before):
                gone.add(sequence)
        self._records = {at: record for at, record in self._records.items() if at not in gone}
        self._told = {place: told for place, told in self._told.items() if place.sequence not in gone}
        return len(gone)

    async def extent(self) -> Extent:
        """See `Store.extent`. It weighs what its payloads do."""
        if not self._records:
            return Extent()
        first = min(self._records)
        return Extent(
            first=first,
            last=max(self._records),
            since=self._records[first].received,
            bytes=sum(map(_size, self._records.values())),
        )

    async def fingerprints(self, since: float, most: int) -> Sequence[tuple[int, float, bytes]]:
        """See `Store.fingerprints`."""
        found = [
            (sequence, record.received, record.fingerprint)
            for sequence, record in self._records.items()
            if record.fingerprint and record.received >= since
        ]
        return sorted(found, key=itemgetter(1))[max(len(found) - most, 0) :]

    # -- configurations -----------------------------------------------------------------------------------

    async def remember(self, version: str, text: str) -> None:
        """See `Store.remember`."""
        self._versions[version] = text

    async def recall(self, version: str) -> str | None:
        """See `Store.recall`."""
        return self._versions.get(version)

    async def close(self) -> None:
        """See `Store.close`."""


def _size(record: Record) -> int:
    return len(record.event.data or b"")


_time = attrgetter("at")
"""When a retry is due."""
