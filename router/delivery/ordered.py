"""Claims for a target whose deliveries go in the order of a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import msgspec
import structlog

from router.clock import Clock
from router.config.expressions import Expression
from router.delivery.order import Head, OnPoison, Queues
from router.delivery.settler import Settler
from router.delivery.states import Happening, after
from router.events import Event
from router.store.base import Attempt, Delivery, Place, Settlement, State, Store, StoreError
from router.telemetry.quota import Quota

POLL = 1.0
"""Seconds between two looks at what is waited for and stands in the store."""

GRACE = 2.0
"""Seconds after which a retry that is due and does not come is looked for: it may have been dropped."""

PAGE = 1_000
"""How many unfinished deliveries are read at a time at the start."""

CHUNK = 100
"""How many deliveries are claimed at a time."""

MOST_LOOKS = 50
"""How many of those that are waited for are looked at in one go."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OrderBy:
    """First in, first out for each key.

    Attributes:
        key: over an event's view; null, and what cannot be evaluated, is no key.
    """

    key: Expression
    on_poison: OnPoison = OnPoison.BLOCK

    def of(self, event: Event) -> str | None:
        """An event's key."""
        try:
            found = self.key.search(event.view())
            return None if found is None else msgspec.json.encode(found, order="deterministic").decode()
        except Exception:  # noqa: BLE001 (whatever an event holds, it may not end the router)
            return None


class Ordered:
    """Claims a target's deliveries, and hands each out when it may go.

    What is claimed and may not go yet stays in memory, `order.MOST_IN_HAND` at most. One at a time may claim.
    The next of a key goes when what became of the one before is on disk, so that a crash changes no order.
    """

    def __init__(self, name: str, order: OrderBy, store: Store, settler: Settler, time: Clock) -> None:
        self._name = name
        self._order = order
        self._store = store
        self._settler = settler
        self._time = time
        self._queues = Queues(order.on_poison)
        self._is_loaded = False
        self._fetching = anyio.CancelScope()
        self._looked = 0
        self._quota: Quota[str] = Quota(time, most=1)

    async def claim(self, most: int) -> Sequence[Delivery]:
        """Wait until deliveries may go, then take up to `most`. Cancelling the wait loses nothing.

        Raises:
            StoreError: what stands on disk cannot be read now.
        """
        if not self._is_loaded:
            await self._load()
        while not (found := self._queues.take(most)):
            with anyio.CancelScope() as self._fetching:
                await self._fetch()
        return found

    def written(self, settlements: Sequence[Settlement]) -> None:
        """What became of these is on disk."""
        for one in settlements:
            self._queues.settled(one.delivery.place, one.state, one.due or 0.0)
        self._fetching.cancel()

    async def run(self) -> None:
        """Look after what is waited for, until cancelled."""
        while True:
            await self._time.sleep_until(self._time.now() + POLL)
            try:
                await self._look()
            except StoreError as error:
                log.error("delivery.unreadable", target=self._name, error=error.message)

    async def leave(self) -> None:
        """Give back what is claimed and has not gone."""
        now = self._time.now()
        state = after(State.IN_FLIGHT, Happening.FAILED)
        left = self._queues.leave()
        self._settler.add([Settlement(delivery=one, state=state, due=now) for one in left])

    async def _load(self) -> None:
        """Learn what an earlier life, or another crew, has left unfinished."""
        states = {State.RETRYING, State.IN_FLIGHT}
        if self._order.on_poison is not OnPoison.SKIP:
            states.add(State.DEAD)
        queues, last = Queues(self._order.on_poison), None
        while page := await self._store.standing(states, self._name, last, PAGE):
            for one in page:
                delivery = one.delivery
                queues.know(delivery.place, self._order.of(delivery.event), one.state, one.at or 0.0)
            last = page[-1].delivery.place
        self._queues, self._is_loaded = queues, True

    async def _fetch(self) -> None:
        """Claim more; where our hand is full, only what is waited for."""
        if not self._queues.is_full:
            self._admit(await self._store.claim(self._name, CHUNK))
            return
        now = self._time.now()
        if any(not head.dead and head.due <= now for head in self._queues.heads()):
            await self._store.due(now)  # retries come first, then
            self._admit(await self._store.claim(self._name, 1))
        else:
            await anyio.sleep_forever()  # what is written, or found, wakes this

    def _admit(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._queues.admit(delivery, self._order.of(delivery.event))

    # -- what is waited for ---------------------------------------------------------------------------------

    async def _look(self) -> None:
        """An operator may have redriven or dropped what others wait for."""
        late = self._time.now() - GRACE
        doubtful = [head for head in self._queues.heads() if head.dead or head.due < late]
        if doubtful:
            self._tell([head for head in doubtful if head.dead])
            start = self._looked % len(doubtful)
            self._looked = start + MOST_LOOKS
            for head in [*doubtful[start:], *doubtful[:start]][:MOST_LOOKS]:
                await self._ask_for(head)
        self._fetching.cancel()

    def _tell(self, dead: Sequence[Head]) -> None:
        if dead and self._order.on_poison is OnPoison.BLOCK and self._quota.admits(self._name):
            hint = "redrive or drop the dead letters that others of their keys wait for"
            log.warning("target.blocked", target=self._name, keys=len(dead), hint=hint)

    async def _ask_for(self, head: Head) -> None:
        found = {one.delivery.place: one for one in await self._store.of_event(head.place.sequence)}
        if not self._queues.stands(head):
            return  # it moved on while the store was asked
        standing = found.get(head.place)
        match None if standing is None else standing.state:
            case State.DEAD if self._order.on_poison is OnPoison.PARK:
                await self._park(head.place)
            case State.RETRYING if standing is not None:
                self._queues.settled(head.place, State.RETRYING, standing.at or 0.0)
            case State.DEAD:  # by the store itself, which could not read its event any more
                self._queues.settled(head.place, State.DEAD)
            case State.IN_FLIGHT | State.PENDING:
                pass
            case _:
                self._queues.settled(head.place, State.CANCELLED)

    async def _park(self, head: Place) -> None:
        now = self._time.now()
        state = after(State.IN_FLIGHT, Happening.PARKED)
        name = head.target
        error = (
            f"parked: the event {head.sequence} of the same key is a dead letter of {name}; redrive it first"
        )
        attempt = Attempt(at=now, seconds=0.0, error=error)
        parked = self._queues.park(head)
        self._settler.add([Settlement(delivery=one, state=state, attempt=attempt) for one in parked])
