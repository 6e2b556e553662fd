"""Which deliveries wait for an earlier one of their key, and for which: what `order_by` comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from router.config.expressions import compile_expression
from router.delivery.engine import OrderBy
from router.delivery.order import OnPoison
from router.operations.answers import DeliverySummary
from router.rules.model import Deployment
from router.store.base import Place, State, Store
from router.targets.spec import TargetSpec

MOST_LOOKED = 10_000
"""Unfinished deliveries of a target that are looked at: so many are kept waiting in memory at most."""

PAGE = 1_000
"""How many of them are read at once."""

D = TypeVar("D", bound=DeliverySummary)

_WAITING = frozenset({State.PENDING, State.IN_FLIGHT, State.RETRYING})
"""Where a delivery stands that may be waiting: what a router held back at its end is to be tried again."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at one target.

    Attributes:
        of: the delivery that is waited for, by the id of the one that waits.
        blocked: the dead letters that others wait for, each of another key.
    """

    of: dict[str, str] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)


async def waiting(store: Store, spec: TargetSpec, last: Place | None = None) -> Waiting:
    """Look at a target's unfinished deliveries, the oldest event's first.

    A delivery may go when every earlier one of its key is done with (`router.delivery.order`).

    Args:
        store: what holds them.
        spec: the target as it is now.
        last: up to where; None for all of them, as far as one question goes (`MOST_LOOKED`).
    """
    found = Waiting()
    if spec.order_by is None:
        return found
    poison = OnPoison(spec.on_poison or OnPoison.BLOCK)
    order = OrderBy(compile_expression(spec.order_by), poison)
    states = _WAITING | (set() if poison is OnPoison.SKIP else {State.DEAD})
    heads: dict[str, tuple[str, State]] = {}
    after: Place | None = None
    for _ in range(MOST_LOOKED // PAGE):
        page = await store.standing(states, spec.name, after, PAGE)
        for standing in page:
            delivery = standing.delivery
            if last is not None and delivery.place > last:
                return found
            if (key := order.of(delivery.event)) is None:
                continue
            head, state = heads.setdefault(key, (delivery.id, standing.state))
            if head != delivery.id and standing.state in _WAITING:
                found.of[delivery.id] = head
                if state is State.DEAD and poison is OnPoison.BLOCK:
                    found.blocked.add(head)
        if len(page) < PAGE:
            break
        after = page[-1].delivery.place
    return found


async def marked(store: Store, deployment: Deployment | None, deliveries: Iterable[D]) -> tuple[D, ...]:
    """Deliveries of a list, in its order, with what they wait for."""
    listed = tuple(deliveries)
    targets = {} if deployment is None else deployment.targets
    ends: dict[str, Place] = {}
    for one in listed:
        if one.state in _WAITING and one.target in targets and targets[one.target].order_by is not None:
            ends[one.target] = Place(one.sequence, one.target, one.variant)
    of: dict[str, str] = {}
    for target, last in ends.items():
        of |= (await waiting(store, targets[target], last)).of
    return tuple(
        msgspec.structs.replace(one, waits_for=of[one.id]) if one.id in of else one for one in listed
    )
