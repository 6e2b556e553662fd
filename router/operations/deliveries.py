"""Lists deliveries that are not made yet or dead, shows them, and carries out what is decided about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from router.config.problems import did_you_mean
from router.operations.answers import (
    Changed,
    DeliveryPage,
    DeliverySummary,
    DeliveryTold,
    Left,
)
from router.operations.errors import AskedWrongError, NotThereError
from router.operations.events import glob, within
from router.operations.moments import seconds_of
from router.operations.places import id_of, place_of
from router.operations.questions import DeliveryQuery, Drop, Redrive, Selection
from router.operations.views import delivery_summary, delivery_told
from router.operations.walking import window
from router.store.base import Place, Standing, State, Store

MOST_LOOKED = 5_000
"""Deliveries that are looked at for one answer."""

PAGE = 500
"""Deliveries that are read at once."""

HIGHEST = 2**63 - 1
"""No sequence is higher."""

MOST_VARIANTS = 1_000
"""Bodies of one event for one target, of which one is looked for."""

UNFINISHED = frozenset({State.PENDING, State.IN_FLIGHT, State.RETRYING, State.DEAD})
"""Where a delivery stands that can be listed without its event."""

CHANGEABLE = UNFINISHED - {State.IN_FLIGHT}
"""Where a delivery stands that can be dropped, or made elsewhere."""


async def page(store: Store, query: DeliveryQuery) -> DeliveryPage:
    """The next deliveries that a query asks for."""
    states = _states(query, UNFINISHED)
    found: list[DeliverySummary] = []
    walk = _Walk(store, query, states, query.after)
    async for standing in walk.steps():
        found.append(delivery_summary(standing))
        if len(found) == query.most:
            return DeliveryPage(deliveries=tuple(found), next=standing.delivery.id)
    return DeliveryPage(deliveries=tuple(found), next=walk.rest)


async def show(store: Store, id_: str) -> DeliveryTold:
    """One delivery and all its attempts.

    Raises:
        AskedWrongError: this is no delivery id.
        NotThereError: there is no such delivery, or not any more.
    """
    return delivery_told(await _find(store, place_of(id_)))


async def redrive(store: Store, change: Redrive, now: float, targets: Collection[str] | None) -> Changed:
    """Make dead deliveries again, or what waits elsewhere.

    Args:
        store: what holds them.
        change: which, and where to.
        now: seconds since the epoch.
        targets: the names there are; None where nobody knows.

    Raises:
        AskedWrongError: the filter is none; only what is dead can be made again where it was.
        NotThereError: there is no such target, or no such delivery.
    """
    if change.to is not None:
        _check_target(change.to, targets)
    allowed = frozenset({State.DEAD}) if change.to is None else CHANGEABLE

    async def again(places: Sequence[Place]) -> int:
        return await store.redrive(places, now, change.to)

    return await _change(store, change, allowed, again)


async def drop(store: Store, change: Drop) -> Changed:
    """Never make these deliveries.

    Raises:
        AskedWrongError: the filter is none.
        NotThereError: there is no such delivery.
    """
    return await _change(store, change, CHANGEABLE, store.cancel)


async def _change(
    store: Store, change: Drop, allowed: frozenset[State], apply: Callable[[Sequence[Place]], Awaitable[int]]
) -> Changed:
    states = _states(change, allowed)
    to = change.to if isinstance(change, Redrive) else None
    chosen = _Chosen(states, to, unreadable=not isinstance(change, Redrive))
    rest = None
    if change.ids:
        await _named(store, change, chosen)
    else:
        # Whoever names no state means all that waits: what is under way is looked at, and told to be left.
        seen = states | {State.IN_FLIGHT} if not change.state and State.PENDING in states else states
        walk = _Walk(store, change, seen, change.after)
        async for standing in walk.steps():
            chosen.see(standing)
        rest = walk.rest
    counts: Counter[str] = Counter()
    for target in dict.fromkeys(place.target for place in chosen.places):
        places = [place for place in chosen.places if place.target == target]
        for start in range(0, len(places), PAGE):
            group = places[start : start + PAGE]
            counts[target] += len(group) if change.dry else await apply(group)
    chosen.left[Left.MEANWHILE] += len(chosen.places) - counts.total()
    left = {reason: count for reason, count in chosen.left.items() if count}
    return Changed(count=counts.total(), targets=dict(counts), next=rest, left=left)


@dataclass(slots=True)
class _Chosen:
    """What a change is about, and what it leaves as it is.

    Attributes:
        states: where a delivery stands that can be changed like this.
        to: the target that is to get it; None for its own.
        unreadable: whether one can whose event cannot be read any more.
    """

    states: Collection[State]
    to: str | None
    unreadable: bool
    places: list[Place] = field(default_factory=list)
    left: Counter[Left] = field(default_factory=Counter)

    def see(self, standing: Standing) -> None:
        """Take a delivery that fits the filter, or take note of why it is left."""
        if standing.state not in self.states:
            in_flight = standing.state is State.IN_FLIGHT
            self.left[Left.IN_FLIGHT if in_flight else Left.OTHER_STATE] += 1
        elif not (self.unreadable or is_readable(standing)):
            self.left[Left.UNREADABLE] += 1
        elif standing.delivery.target == self.to and standing.state is not State.DEAD:
            self.left[Left.THERE_ALREADY] += 1
        else:
            self.places.append(standing.delivery.place)


def is_readable(standing: Standing) -> bool:
    """Whether the event is there: what the store makes up for one that is not was routed by nobody."""
    return standing.delivery.version != ""


async def _named(store: Store, change: Drop, chosen: _Chosen) -> None:
    """The deliveries that a change names, if they fit the rest of it."""
    fits = _test_of(change)
    for id_ in dict.fromkeys(change.ids):
        found = await _find(store, place_of(id_))
        if fits(found):
            chosen.see(found)
        else:
            chosen.left[Left.OTHER_FILTER] += 1


async def _find(store: Store, place: Place) -> Standing:
    for standing in await store.of_event(place.sequence):
        if standing.delivery.place == place:
            return standing
    # What is dead stands in the store though its event may be lost.
    states, before = {State.DEAD, State.RETRYING}, Place(place.sequence, "")
    for standing in await store.standing(states, place.target, before, MOST_VARIANTS):
        if standing.delivery.place == place:
            return standing
    raise NotThereError(f"there is no delivery {id_of(place)}, or its event is no longer in the archive")


def _check_target(name: str, targets: Collection[str] | None) -> None:
    if targets is None:
        raise AskedWrongError("which targets there are is not known here; name the deployment's folder")
    if name not in targets:
        hint = did_you_mean(name, targets) or f"the targets are {', '.join(sorted(targets))}"
        raise NotThereError(f"there is no target {name[:100]!r}; {hint}")


def _states(query: Selection, allowed: frozenset[State]) -> frozenset[State]:
    """The states that a query is about."""
    asked = frozenset(query.state) or allowed
    if outside := sorted(asked - UNFINISHED):
        raise AskedWrongError(
            f"deliveries that are {outside[0].value} are not listed; they are shown with their event"
        )
    if wrong := sorted(asked - allowed):
        raise AskedWrongError(
            f"what is {wrong[0].value} cannot be changed like this: "
            + ("it is being delivered now" if wrong[0] is State.IN_FLIGHT else "it is made anyway")
        )
    return asked


def _test_of(query: Selection) -> Callable[[Standing], bool]:
    in_time = within(seconds_of(query.since), seconds_of(query.until))
    type_ = glob(query.type)

    def fits(standing: Standing) -> bool:
        delivery = standing.delivery
        return (
            in_time(delivery.received)
            and query.target in {None, delivery.target}
            and (query.rule is None or query.rule in delivery.rules)
            and type_(delivery.event.type)
        )

    return fits


@dataclass(slots=True)
class _Walk:
    """One request's way through deliveries, no longer than a request may take.

    Attributes:
        rest: after all steps: where the next request goes on; None if this one saw the last.
    """

    store: Store
    query: Selection
    states: Collection[State]
    after: str | None
    rest: str | None = None

    async def steps(self) -> AsyncIterator[Standing]:
        """Those that fit, oldest event first."""
        fits = _test_of(self.query)
        first, last = await self._span()
        after = Place(first, "") if self.after is None else max(place_of(self.after), Place(first, ""))
        for _ in range(MOST_LOOKED // PAGE):
            found = await self.store.standing(self.states, self.query.target, after, PAGE)
            for standing in found:
                if standing.delivery.sequence > last:
                    return
                if fits(standing):
                    yield standing
            if not found:
                return
            after = found[-1].delivery.place
        self.rest = id_of(after)

    async def _span(self) -> tuple[int, int]:
        """Between which sequences to look: where no time is said, also before and after all that is kept.

        There may be dead letters of events that are lost.
        """
        since, until = self.query.since, self.query.until
        first, last = await window(self.store, since, until)
        return 0 if since is None else first, HIGHEST if until is None else last
