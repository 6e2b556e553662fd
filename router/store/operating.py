"""What an operator decides about deliveries: make them again, make them elsewhere, or never.

No word of an operator waits for deliveries under way, and none of theirs for an operator's: what is in flight
is left alone, and what is decided about cannot be claimed until the decision is on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import anyio
import msgspec

from router.store import rows
from router.store.base import Attempt, Place, State
from router.store.claims import Claims
from router.store.lane import Key, Lanes
from router.store.ledger import Statement, Statements
from router.store.queries import DELIVERIES
from router.store.reader import Reader
from router.store.writer import GroupWriter

_WAITING = frozenset({State.DEAD, State.RETRYING, State.PENDING})


class _Found(msgspec.Struct, frozen=True):
    """Where a delivery that is not in flight stands, and what stands in its row."""

    place: Place
    state: State
    attempts: tuple[Attempt, ...] = ()
    origin: str = ""


@dataclass(slots=True)
class _Decision:
    """What is to be written, and what it changes in memory.

    Attributes:
        cancelled: rows of `set_exception`.
        again: rows of `set_exception`, likewise.
        moved: rows of `move_exception`.
        gone: first tries that are none any more, by target.
        woken: the targets that have something to claim.
        made: what came to be by this decision: no second one is made of it.
        count: of deliveries this is about.
    """

    cancelled: list[tuple[object, ...]] = field(default_factory=list)
    again: list[tuple[object, ...]] = field(default_factory=list)
    moved: list[tuple[object, ...]] = field(default_factory=list)
    gone: dict[str, set[Key]] = field(default_factory=dict)
    woken: set[str] = field(default_factory=set)
    made: set[Place] = field(default_factory=set)
    count: int = 0

    def cancel(self, found: _Found, now: float) -> None:
        sequence, target, variant = found.place
        history = rows.encode_attempts(found.attempts)
        self.cancelled.append((target, sequence, variant, State.CANCELLED.value, now, history))
        if found.state is State.PENDING:
            self.gone.setdefault(target, set()).add((sequence, variant))
        self.count += 1

    def revive(self, found: _Found, now: float) -> None:
        sequence, target, variant = found.place
        history = _history(found.attempts, now)
        self.again.append((target, sequence, variant, State.RETRYING.value, now, history))
        self.woken.add(target)

    def move(self, found: _Found, to: str, now: float) -> None:
        sequence, target, variant = found.place
        history = _history(found.attempts, now)
        origin = found.origin or target
        self.moved.append((to, sequence, variant, State.RETRYING.value, now, history, origin))
        self.woken.add(to)

    def statements(self) -> list[Statement]:
        every: list[Statement] = [
            (DELIVERIES["set_exception"], self.cancelled),
            (DELIVERIES["set_exception"], self.again),
            (DELIVERIES["move_exception"], self.moved),
        ]
        return [statement for statement in every if statement[1]]


class Operating:
    """See `router.store.base.Store.redrive` and `cancel`."""

    def __init__(self, lanes: Lanes, reader: Reader, writer: GroupWriter[Statements], claims: Claims) -> None:
        self._lanes = lanes
        self._reader = reader
        self._writer = writer
        self._claims = claims

    async def redrive(self, places: Sequence[Place], now: float, to: str | None) -> int:
        """See `Store.redrive`."""
        moving = [place for place in places if to is not None and place.target != to]
        staying = [place for place in places if to is None or place.target == to]
        decision = _Decision()
        async with self._still(moving, staying, to, decision) as (waiting, still):
            for found in still:
                if found.state is State.DEAD:
                    decision.revive(found, now)
                    decision.made.add(found.place)
                    decision.count += 1
            if to is not None:
                await self._move(waiting, to, now, decision)
            await self._write(decision)
        for target in decision.woken:
            self._claims.wake(target, now)
        return decision.count

    async def _move(self, waiting: Sequence[_Found], to: str, now: float, decision: _Decision) -> None:
        theirs = [found.place._replace(target=to) for found in waiting]
        told = await self._reader.ask(
            lambda: [(self._row(there), self._is_routed(there)) for there in theirs]
        )
        for found, there, (row, routed) in zip(waiting, theirs, told, strict=True):
            decision.cancel(found, now)
            if there in decision.made:
                continue
            decision.made.add(there)
            if row is not None and row.state in {State.DEAD, State.CANCELLED}:
                decision.revive(row, now)
            elif row is None and not routed:
                decision.move(found, to, now)

    async def cancel(self, places: Sequence[Place], now: float) -> int:
        """See `Store.cancel`."""
        decision = _Decision()
        async with self._still(places, (), None, decision) as (waiting, _):
            for found in waiting:
                decision.cancel(found, now)
            await self._write(decision)
        return decision.count

    async def _write(self, decision: _Decision) -> None:
        if statements := decision.statements():
            with anyio.CancelScope(shield=True):
                await self._writer.submit(statements)

    @contextlib.asynccontextmanager
    async def _still(
        self, leaving: Sequence[Place], staying: Sequence[Place], to: str | None, decision: _Decision
    ) -> AsyncIterator[tuple[list[_Found], list[_Found]]]:
        """Where these deliveries stand, and stay until the context ends; without those in flight.

        Those that are `leaving` may be first tries, and cease to be if the decision says so.
        """
        targets = {place.target for place in (*leaving, *staying)} | ({to} if to is not None else set())
        async with contextlib.AsyncExitStack() as turns:
            for target in sorted(targets):
                await turns.enter_async_context(self._lanes[target].turn)
            for target in targets:
                wanted = {(at, variant) for at, name, variant in leaving if name == target}
                self._lanes[target].withhold(wanted - self._lanes[target].under_way().keys())
            written = False
            try:
                first, second = self._idle(leaving), self._idle(staying)
                yield await self._reader.ask(lambda: (self._look(first), self._look(second)))
                written = True
            finally:
                for target in targets:
                    self._lanes[target].decided(decision.gone.get(target, ()) if written else ())

    def _idle(self, places: Sequence[Place]) -> list[tuple[Place, bool]]:
        """The places that are not in flight, each once, and whether it is pending if it has no row."""
        busy = {
            target: self._lanes[target].under_way().keys() for target in {place.target for place in places}
        }
        found: list[tuple[Place, bool]] = []
        for place in dict.fromkeys(places):
            lane, key = self._lanes[place.target], (place.sequence, place.variant)
            if key not in busy[place.target] and place.sequence <= self._lanes.head:
                unread = lane.unread is not None and place.sequence >= lane.unread
                found.append((place, unread or key in lane.withheld))
        return found

    # -- on the reader's thread ---------------------------------------------------------------------------

    def _look(self, places: Sequence[tuple[Place, bool]]) -> list[_Found]:
        found: list[_Found] = []
        for place, open_ in places:
            row = self._row(place)
            if row is None and open_ and self._is_routed(place):
                row = _Found(place, State.PENDING)
            if row is not None and row.state in _WAITING:
                found.append(row)
        return found

    def _row(self, place: Place) -> _Found | None:
        row = self._reader.exception(place.target, place.sequence, place.variant)
        return None if row is None else _Found(place, State(row[0]), rows.decode_attempts(row[2]), row[3])

    def _is_routed(self, place: Place) -> bool:
        arrival = self._reader.archive.arrival(place.sequence)
        routes = () if arrival is None else rows.decode_routes(arrival.routes)
        return (place.target, place.variant) in {(route.target, route.variant) for route in routes}


def _history(attempts: tuple[Attempt, ...], now: float) -> bytes:
    return rows.encode_attempts((*attempts, Attempt(at=now, seconds=0.0, redrive=True)))
