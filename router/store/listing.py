"""Where deliveries stand, for whoever asks: what memory knows, and what only the disk does, in one order."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import msgspec

from router.events import Event
from router.store import rows
from router.store.base import Attempt, Delivery, Place, Standing, State, delivery_of
from router.store.lane import Key, Lane, Lanes, key_of
from router.store.queries import DELIVERIES
from router.store.reader import Reader
from router.store.volume import UnreadableError

UNREADABLE = "router.unreadable"
"""The type of what stands in for an event that cannot be read any more."""


class _View(msgspec.Struct, frozen=True):
    """A lane as it was when somebody asked.

    Attributes:
        flying: what is under way, with the time of the claim.
        ready: first tries in memory.
        unread: the lowest sequence whose first tries stand only on disk.
    """

    flying: dict[Key, float]
    ready: list[Delivery]
    unread: int | None

    def state(self, key: Key) -> State:
        """Where a delivery stands that has a route and no row."""
        if key in self.flying:
            return State.IN_FLIGHT
        unread = self.unread is not None and key[0] >= self.unread
        if unread or key in map(key_of, self.ready):
            return State.PENDING
        return State.DELIVERED


class _Found(msgspec.Struct, frozen=True):
    """A delivery that stands somewhere, not read yet."""

    place: Place
    state: State
    at: float | None = None
    attempts: bytes = rows.encode_attempts(())
    origin: str = ""


def _place(found: _Found) -> Place:
    return found.place


class Listing:
    """See `router.store.base.Store.standing` and `of_event`."""

    def __init__(self, lanes: Lanes, reader: Reader) -> None:
        self._lanes = lanes
        self._reader = reader

    async def standing(
        self, states: Collection[State], target: str | None, after: Place, most: int
    ) -> Sequence[Standing]:
        """See `Store.standing`."""
        views = {
            name: _view(lane, [one for one in _first_tries(lane) if one.place > after][:most])
            for name, lane in self._lanes.items()
            if target in {None, name}
        }
        head = self._lanes.head
        return await self._reader.ask(
            lambda: list(islice(self._standing(views, states, target, after, head), most))
        )

    def _standing(
        self, views: dict[str, _View], states: Collection[State], target: str | None, after: Place, head: int
    ) -> Iterator[Standing]:
        flying = {
            Place(key[0], name, key[1]): at for name, view in views.items() for key, at in view.flying.items()
        }
        sources: list[Iterator[_Found]] = []
        if State.IN_FLIGHT in states:
            sources.append(self._flying(place, at) for place, at in sorted(flying.items()))
        for state in {State.RETRYING, State.DEAD} & set(states):
            names = [target] if target is not None else self._reader.targets()
            sources.extend(self._rows(name, state, after) for name in names)
        if State.PENDING in states:
            sources.extend(_ready(view) for view in views.values())
            sources.append(self._unread(views, after, head))
        last = after
        for one in heapq.merge(*sources, key=_place):
            elsewhere = one.place in flying and one.state is not State.IN_FLIGHT
            if one.place > last and not elsewhere:
                last = one.place
                yield self._read(one)

    def _flying(self, place: Place, at: float) -> _Found:
        row = self._reader.exception(place.target, place.sequence, place.variant)
        if row is None:
            return _Found(place, State.IN_FLIGHT, at)
        return _Found(place, State.IN_FLIGHT, at, attempts=row[2], origin=row[3])

    def _rows(self, target: str, state: State, after: Place) -> Iterator[_Found]:
        start = (target, state.value, after.sequence)
        for sequence, name, variant, at, attempts, origin in self._reader.deliveries.execute(
            DELIVERIES["standing"], start
        ):
            yield _Found(Place(sequence, name, variant), state, at, attempts, origin)

    def _unread(self, views: dict[str, _View], after: Place, head: int) -> Iterator[_Found]:
        """First tries that stand only on disk."""
        unread = {target: view.unread for target, view in views.items() if view.unread is not None}
        if not unread:
            return
        for arrival in self._reader.archive.arrivals(max(after.sequence, min(unread.values())), head):
            for route in sorted(
                rows.decode_routes(arrival.routes), key=lambda one: (one.target, one.variant)
            ):
                place = Place(arrival.sequence, route.target, route.variant)
                if (
                    place.sequence >= unread.get(place.target, place.sequence + 1)
                    and self._reader.exception(place.target, place.sequence, place.variant) is None
                ):
                    yield _Found(place, State.PENDING)

    def _read(self, found: _Found) -> Standing:
        sequence, target, variant = found.place
        try:
            delivery = self._reader.delivery(target, sequence, variant, found.attempts, found.origin)
        except UnreadableError as error:
            history = rows.decode_attempts(found.attempts)
            delivery = _stand_in(found.place, error.message, history)
        return Standing(delivery, found.state, found.at)

    async def of_event(self, sequence: int) -> Sequence[Standing]:
        """See `Store.of_event`."""
        if sequence > self._lanes.head:
            return ()
        views = {
            name: _view(lane, [one for one in _first_tries(lane) if one.sequence == sequence])
            for name, lane in self._lanes.items()
        }
        return await self._reader.ask(lambda: self._of_event(views, sequence))

    def _of_event(self, views: dict[str, _View], sequence: int) -> list[Standing]:
        arrival = self._reader.archive.arrival(sequence)
        if arrival is None:
            return []
        found: dict[Place, Standing] = {}
        for route in rows.decode_routes(arrival.routes):
            try:
                delivery = delivery_of(sequence, route, self._reader.archive.record(arrival))
            except UnreadableError as error:
                delivery = _stand_in(Place(sequence, route.target, route.variant), error.message)
            view = views.get(route.target, _View({}, [], None))
            found[delivery.place] = Standing(delivery, view.state(key_of(delivery)))
        for target, variant, *row in self._reader.deliveries.execute(
            DELIVERIES["exceptions_of_event"], (sequence,)
        ):
            found[Place(sequence, target, variant)] = self._told(Place(sequence, target, variant), *row)
        for target, view in views.items():
            for (at, variant), since in view.flying.items():
                if (there := found.get(Place(at, target, variant))) is not None:
                    found[there.delivery.place] = Standing(there.delivery, State.IN_FLIGHT, since)
        return [found[place] for place in sorted(found)]

    def _told(self, place: Place, state: str, at: float, attempts: bytes, origin: str) -> Standing:
        timed = state in {State.RETRYING, State.DEAD}
        return self._read(_Found(place, State(state), at if timed else None, attempts, origin))


def _stand_in(place: Place, reason: str, attempts: tuple[Attempt, ...] = ()) -> Delivery:
    """A delivery whose event cannot be read, so that it can be seen and decided about all the same."""
    event = Event(
        id=str(place.sequence),
        source="/router/unreadable",
        type=UNREADABLE,
        datacontenttype="text/plain",
        data=reason.encode(),
    )
    return Delivery(
        sequence=place.sequence,
        target=place.target,
        variant=place.variant,
        rules=(),
        version="",
        received=0.0,
        event=event,
        attempts=attempts,
    )


def _ready(view: _View) -> Iterator[_Found]:
    for delivery in view.ready:
        yield _Found(delivery.place, State.PENDING)


def _first_tries(lane: Lane) -> list[Delivery]:
    """Those in memory that nobody has claimed, in order."""
    return sorted([*lane.withheld.values(), *lane.ready], key=key_of)


def _view(lane: Lane, ready: list[Delivery]) -> _View:
    return _View(lane.under_way(), ready, lane.unread)
