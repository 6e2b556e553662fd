"""Tells the log when a target begins to fail, and when it works again: not at every attempt."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from router.store.base import Settlement, State

log = structlog.stdlib.get_logger(__name__)


class Health:
    """What the log was last told of each target."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def look(self, settlements: Sequence[Settlement]) -> None:
        """Take note of what became of deliveries."""
        for settlement in settlements:
            delivery, attempt = settlement.delivery, settlement.attempt
            error = None if attempt is None else attempt.error
            if settlement.state is State.DEAD:
                log.error(
                    "delivery.dead",
                    delivery=delivery.id,
                    target=delivery.target,
                    rules=delivery.rules,
                    attempts=len(settlement.tried().attempts),
                    error=error,
                )
            elif settlement.state is State.RETRYING and delivery.target not in self._failing:
                self._failing.add(delivery.target)
                log.warning("target.failing", target=delivery.target, delivery=delivery.id, error=error)
            elif settlement.state is State.DELIVERED and delivery.target in self._failing:
                self._failing.discard(delivery.target)
                log.info("target.recovered", target=delivery.target, delivery=delivery.id)
