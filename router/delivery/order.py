"""First in, first out for each key: which deliveries of a target may go now, and which wait. Pure.

A delivery may go when every earlier one of its key is delivered, or is no delivery any more. Those of no key
may always go.
"""

from __future__ import annotations

import bisect
import enum
from collections import deque
from dataclasses import dataclass, field

from router.store.base import Delivery, Place, State

MOST_IN_HAND = 10_000
"""How many deliveries are kept in memory until earlier ones of their keys are delivered. Beyond, all wait."""


class OnPoison(enum.StrEnum):
    """What a dead letter means for those of its key that come after it.

    Attributes:
        BLOCK: they wait until it is redriven and delivered, or dropped.
        PARK: they become dead letters as well, in their order.
        SKIP: nothing: they go on without it.
    """

    BLOCK = "block"
    PARK = "park"
    SKIP = "skip"


class _Stand(enum.Enum):
    """Where a delivery of a queue is: held in our hand, on its way, or in the store."""

    HELD = enum.auto()
    GOING = enum.auto()
    RETRYING = enum.auto()
    DEAD = enum.auto()


@dataclass(slots=True)
class _Waiting:
    place: Place
    stand: _Stand
    delivery: Delivery | None = None
    due: float = 0.0


@dataclass(slots=True)
class _Queue:
    """The unfinished deliveries of one key, in their order.

    Attributes:
        going: how many of them are on their way.
        held: how many of them are in our hand and wait for an earlier one.
    """

    key: str
    waiting: list[_Waiting] = field(default_factory=list)
    going: int = 0
    held: int = 0

    def find(self, place: Place) -> int:
        """The index of a place, or where it belongs."""
        return bisect.bisect_left(self.waiting, place, key=_place)


def _place(waiting: _Waiting) -> Place:
    return waiting.place


@dataclass(frozen=True, slots=True)
class Head:
    """The first of a key, which others in our hand wait for, and which is in the store.

    Attributes:
        dead: whether it is a dead letter; else it is to be tried again.
        due: when, seconds since the epoch.
    """

    place: Place
    dead: bool
    due: float


class Queues:
    """A target's unfinished deliveries, by key.

    Attributes:
        in_hand: how many are claimed and have not been taken yet.
    """

    def __init__(self, on_poison: OnPoison) -> None:
        self.in_hand = 0
        self._skips = on_poison is OnPoison.SKIP
        self._queues: dict[str, _Queue] = {}
        self._of: dict[Place, _Queue] = {}
        self._ready: deque[Delivery] = deque()

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be claimed but what others wait for."""
        return self.in_hand >= MOST_IN_HAND

    def know(self, place: Place, key: str | None, state: State, due: float) -> None:
        """Take note of an unfinished delivery that stands in the store."""
        if key is not None and not (state is State.DEAD and self._skips):
            _, one = self._entry(place, key)
            one.stand = _Stand.DEAD if state is State.DEAD else _Stand.RETRYING
            one.due = due

    def admit(self, delivery: Delivery, key: str | None) -> None:
        """Take a claimed delivery into our hand."""
        self.in_hand += 1
        if key is None:
            self._ready.append(delivery)
            return
        queue, one = self._entry(delivery.place, key)
        one.stand, one.delivery = _Stand.HELD, delivery
        queue.held += 1
        self._look_at(queue)

    def take(self, most: int) -> list[Delivery]:
        """Let up to `most` deliveries go, no two of one key."""
        taken = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
        self.in_hand -= len(taken)
        return taken

    def settled(self, place: Place, state: State, due: float = 0.0) -> None:
        """What became of a delivery is on disk."""
        if (queue := self._of.get(place)) is None:
            return
        index = queue.find(place)
        one = queue.waiting[index]
        queue.going -= one.stand is _Stand.GOING
        if state is State.RETRYING:
            one.stand, one.due = _Stand.RETRYING, due
        elif state is State.DEAD and not self._skips:
            one.stand = _Stand.DEAD
        else:
            del queue.waiting[index]
            del self._of[place]
        self._look_at(queue)

    def heads(self) -> list[Head]:
        """What stands in the store, and what we hold waits for."""
        firsts = [queue.waiting[0] for queue in self._queues.values() if queue.held]
        return [
            Head(one.place, one.stand is _Stand.DEAD, one.due)
            for one in firsts
            if one.stand in {_Stand.RETRYING, _Stand.DEAD}
        ]

    def stands(self, head: Head) -> bool:
        """Whether it is still as it was."""
        if (queue := self._of.get(head.place)) is None:
            return False
        one = queue.waiting[0]
        dead = one.stand is _Stand.DEAD
        return one.place == head.place and (dead or one.stand is _Stand.RETRYING) and dead == head.dead

    def park(self, head: Place) -> list[Delivery]:
        """Let go of all that waits for this dead letter: it is to become one as well."""
        queue = self._of[head]
        parked = [self._go(queue, one) for one in queue.waiting if one.stand is _Stand.HELD]
        self.in_hand -= len(parked)
        return parked

    def leave(self) -> list[Delivery]:
        """Let go of all that is in our hand."""
        left = [*self._ready]
        for queue in self._queues.values():
            left += [self._go(queue, one) for one in queue.waiting if one.stand is _Stand.HELD]
        self._ready.clear()
        self.in_hand = 0
        return left

    def _entry(self, place: Place, key: str) -> tuple[_Queue, _Waiting]:
        queue = self._queues.get(key) or self._queues.setdefault(key, _Queue(key))
        index = queue.find(place)
        if self._of.setdefault(place, queue) is queue and (
            index == len(queue.waiting) or queue.waiting[index].place != place
        ):
            queue.waiting.insert(index, _Waiting(place, _Stand.RETRYING))
        return queue, queue.waiting[index]

    def _look_at(self, queue: _Queue) -> None:
        """Let the first of a key go, if it may."""
        if not queue.waiting:
            del self._queues[queue.key]
        elif not queue.going and (first := queue.waiting[0]).stand is _Stand.HELD:
            self._ready.append(self._go(queue, first))

    @staticmethod
    def _go(queue: _Queue, one: _Waiting) -> Delivery:
        assert one.delivery is not None
        delivery, one.delivery, one.stand = one.delivery, None, _Stand.GOING
        queue.going += 1
        queue.held -= 1
        return delivery
