"""Hands out deliveries: from memory where it can, from disk at the start, on overflow, and for retries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

import anyio
import msgspec
import structlog

from router.clock import Clock
from router.store import rows
from router.store.base import Attempt, Delivery, Place, Record, State, delivery_of
from router.store.lane import Key, Lane, Lanes, key_of
from router.store.ledger import Statements
from router.store.queries import DELIVERIES
from router.store.reader import Reader
from router.store.volume import UnreadableError
from router.store.writer import GroupWriter

IN_MEMORY = 2_000
"""How many first tries a lane holds in memory before it leaves the rest on disk."""

BYTES_IN_MEMORY = 16_000_000
"""How many bytes of payload, likewise."""

CHUNK = 500
"""How many first tries are read at a time."""

CHUNK_BYTES = 8_000_000
"""How long their records may be together, but for the last."""

LOOK = 20_000
"""How many arrivals are looked through at a time for those of one target."""


log = structlog.stdlib.get_logger(__name__)


class Lost(msgspec.Struct, frozen=True):
    """A delivery that cannot be made, and why."""

    place: Place
    reason: str
    attempts: tuple[Attempt, ...] = ()


class Claims:
    """See `router.store.base.Store.claim` and `due`."""

    def __init__(self, lanes: Lanes, reader: Reader, writer: GroupWriter[Statements], clock: Clock) -> None:
        self._lanes = lanes
        self._reader = reader
        self._writer = writer
        self._clock = clock

    def hand_over(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """Let lanes have what was just committed, straight from memory."""
        arrived: defaultdict[str, list[Delivery]] = defaultdict(list)
        for sequence, record in zip(sequences, records, strict=True):
            for route in record.routes:
                arrived[route.target].append(delivery_of(sequence, route, record))
        self._lanes.head = sequences[-1]
        for target, deliveries in arrived.items():
            lane = self._lanes[target]
            if lane.unread is None:
                _fill(lane, deliveries)
            lane.pending += len(deliveries)
            lane.notify(len(deliveries))

    def claim_now(self, target: str, most: int) -> Sequence[Delivery] | None:
        """See `Store.claim_now`."""
        lane = self._lanes[target]
        if lane.due is not None:
            return None
        if not lane.ready:
            return () if lane.unread is None else None
        return lane.take(most, self._clock.now())

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """See `Store.claim`. Retries come before first tries: they are older."""
        lane = self._lanes[target]
        try:
            return await self._claim(target, lane, most)
        except BaseException:
            lane.pass_on()
            raise

    async def _claim(self, target: str, lane: Lane, most: int) -> Sequence[Delivery]:
        while True:
            seen = lane.news
            while lane.due is not None:
                if taken := await self._take_due(target, lane, most):
                    if lane.due is not None:
                        lane.pass_on()
                    return taken
            if not lane.ready and lane.unread is not None:
                await self._read_ahead(target, lane)
            if taken := lane.take(most, self._clock.now()):
                return taken
            if lane.unread is None:
                await lane.newer(seen, most)

    # -- first tries that stand on disk -------------------------------------------------------------------

    async def _read_ahead(self, target: str, lane: Lane) -> None:
        """Bring the next first tries of a lane into memory from disk."""
        async with lane.turn:
            start, head = lane.unread, self._lanes.head
            if lane.ready or start is None:
                return  # another worker of this target has just read
            found, reached, lost = await self._reader.ask(lambda: self._first_tries(target, start, head))
            await self._bury(lost)
            lane.pending -= len(lost)
            for delivery in found:
                lane.put(delivery)
            lane.unread = None if reached >= self._lanes.head else reached + 1
            lane.notify(len(found))

    def _first_tries(self, target: str, start: int, last: int) -> tuple[list[Delivery], int, list[Lost]]:
        """A chunk of a target's untried deliveries from `start` on, and up to which sequence it looked.

        Besides those whose event cannot be read.
        """
        found: list[Delivery] = []
        lost: list[Lost] = []
        size = looked = 0
        arrivals = self._reader.archive.arrivals(start, last)
        while portion := list(islice(arrivals, CHUNK)):
            told = self._reader.told(target, portion[0].sequence, portion[-1].sequence)
            for arrival in portion:
                for route in rows.decode_routes(arrival.routes):
                    if route.target != target or (arrival.sequence, route.variant) in told:
                        continue
                    try:
                        record = self._reader.archive.record(arrival)
                    except UnreadableError as error:
                        lost.append(Lost(Place(arrival.sequence, target, route.variant), error.message))
                    else:
                        found.append(delivery_of(arrival.sequence, route, record))
                        size += len(record.event.data or b"")
                if len(found) + len(lost) >= CHUNK or size >= CHUNK_BYTES:
                    return found, arrival.sequence, lost
            looked += len(portion)
            if looked >= LOOK:
                return found, portion[-1].sequence, lost
        return found, last, lost

    async def _bury(self, lost: Sequence[Lost]) -> None:
        """Give up deliveries whose event cannot be read: one broken record holds up no others."""
        now = self._clock.now()
        work: list[tuple[object, ...]] = []
        for one in lost:
            log.error(
                "delivery.unreadable", target=one.place.target, sequence=one.place.sequence, error=one.reason
            )
            history = (*one.attempts, Attempt(at=now, seconds=0.0, error=one.reason))
            sequence, target, variant = one.place
            row = (target, sequence, variant, State.DEAD.value, now, rows.encode_attempts(history))
            work.append(row)
        if work:
            with anyio.CancelScope(shield=True):
                await self._writer.submit([(DELIVERIES["set_exception"], work)])

    # -- retries ------------------------------------------------------------------------------------------

    async def _take_due(self, target: str, lane: Lane, most: int) -> list[Delivery]:
        """Claim retries that are due."""
        async with lane.turn:
            until, lane.due = lane.due, None
            if until is None:
                return []
            more = True
            under_way = lane.under_way()
            try:
                found, lost = await self._reader.ask(lambda: self._retries(target, until, most, under_way))
                await self._bury(lost)
                more = len(found) + len(lost) == most
            finally:
                if more and lane.due is None:  # where `due` has spoken meanwhile, its word is newer
                    lane.due = until
            under_way = lane.under_way()
            waiting = [delivery for delivery in found if key_of(delivery) not in under_way]
            lane.take_again(waiting, self._clock.now())
            return waiting

    def _retries(
        self, target: str, until: float, most: int, besides: dict[Key, float]
    ) -> tuple[list[Delivery], list[Lost]]:
        """Up to `most` retries of a target due at `until`, longest overdue first, but for `besides`.

        Besides those of them whose event cannot be read.
        """
        found: list[Delivery] = []
        lost: list[Lost] = []
        due = (until, target, most + len(besides))
        rows_ = self._reader.deliveries.execute(DELIVERIES["due_of_target"], due).fetchall()
        for sequence, variant, attempts, origin in [row for row in rows_ if row[:2] not in besides][:most]:
            try:
                found.append(self._reader.delivery(target, sequence, variant, attempts, origin))
            except UnreadableError as error:
                history = rows.decode_attempts(attempts)
                lost.append(Lost(Place(sequence, target, variant), error.message, history))
        return found, lost

    async def due(self, now: float) -> float | None:
        """See `Store.due`."""
        targets, upcoming = await self._reader.ask(lambda: self._due(now))
        for target in targets:
            self.wake(target, now)
        return upcoming

    def _due(self, now: float) -> tuple[list[str], float | None]:
        """The targets that have retries due, and the time of the next retry after `now`."""
        found = self._reader.deliveries.execute(DELIVERIES["due"], (now,)).fetchall()
        targets = [target for target, overdue, _ in found if overdue is not None]
        return targets, min((upcoming for *_, upcoming in found if upcoming is not None), default=None)

    def wake(self, target: str, now: float) -> None:
        """Let a target's retries due at `now` be claimed."""
        lane = self._lanes[target]
        lane.due = now
        lane.notify()


def _fill(lane: Lane, arrived: Sequence[Delivery]) -> None:
    """Let a lane have what there is room for; of an event's deliveries all stay on disk, or none."""
    ready, size = lane.ready, lane.bytes
    for delivery in arrived:
        is_full = len(ready) >= IN_MEMORY or size >= BYTES_IN_MEMORY
        if is_full and ready[-1].sequence != delivery.sequence:
            lane.unread = delivery.sequence
            break
        ready.append(delivery)
        size += len(delivery.event.data or b"")
    lane.bytes = size
