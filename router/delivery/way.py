"""What a crew works for, and what it works with."""

from __future__ import annotations

from dataclasses import dataclass

from router.clock import Clock
from router.delivery.attempt import Attempts
from router.delivery.health import Health
from router.delivery.ordered import OrderBy
from router.delivery.retry import Policy
from router.delivery.settler import Settler
from router.store.base import Store
from router.targets.base import Target


@dataclass(frozen=True, slots=True)
class Way:
    """A target with the user's settings for it.

    Attributes:
        rate: deliveries that may begin in a second; None for as many as can.
        order: first in, first out for each key; None for any order.
        dead_letter: the name of the target that is told of dead letters; None for nobody.
    """

    target: Target
    policy: Policy
    concurrency: int
    rate: float | None = None
    order: OrderBy | None = None
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What the crews of all targets share."""

    store: Store
    time: Clock
    attempts: Attempts
    settler: Settler
    health: Health
