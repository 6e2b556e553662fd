"""Tells the log how targets fare: when one begins to fail, why, and when it works again; not each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from router.clock import Clock
from router.store.base import Attempt, Delivery, Settlement, State
from router.telemetry.quota import Quota

REMINDER = 300.0
"""Seconds after which a target that still fails for the same reason is told of again."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """What the log knows of a failing target.

    Attributes:
        since: when it began, seconds since the epoch.
        told: when the log was told last.
        failures: attempts that failed since it began.
    """

    error: str | None
    since: float
    told: float
    failures: int = 0


class Health:
    """What the log was last told of each target."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing: dict[str, _Trouble] = {}
        self._dead: Quota[str] = Quota(clock)

    def look(self, settlements: Sequence[Settlement]) -> None:
        """Take note of what became of deliveries."""
        delivered = State.DELIVERED
        for settlement in settlements:
            state = settlement.state
            if state is delivered:
                if self._failing and settlement.delivery.target in self._failing:
                    self._recovered(settlement.delivery)
            elif state is State.RETRYING and settlement.attempt is not None:
                self._failed(settlement, settlement.attempt)
            elif state is State.DEAD and self._dead.admits(settlement.delivery.target):
                _tell_dead(settlement)

    def misdirected(self, target: str, error: str) -> None:
        """Nothing gets through to a target until somebody mends it; `error` says what and how."""
        trouble = self._trouble(target)
        if self._is_news(trouble, error):
            log.error("target.broken", target=target, error=error, failures=trouble.failures + 1)

    def tell_rest(self) -> None:
        """Say how many dead letters the log was not told of one by one. The store has each of them."""
        for target, count in self._dead.ended().items():
            log.error("delivery.dead_left_out", target=target, count=count)

    def _failed(self, settlement: Settlement, attempt: Attempt) -> None:
        trouble = self._trouble(settlement.delivery.target)
        trouble.failures += 1
        if self._is_news(trouble, attempt.error):
            log.warning(
                "target.failing",
                target=settlement.delivery.target,
                error=attempt.error,
                failures=trouble.failures,
                seconds=round(trouble.told - trouble.since),
                delivery=settlement.delivery.id,
            )

    def _trouble(self, target: str) -> _Trouble:
        now = self._clock.now()
        return self._failing.setdefault(target, _Trouble(None, now, now))

    def _is_news(self, trouble: _Trouble, error: str | None) -> bool:
        now = self._clock.now()
        if error == trouble.error and now < trouble.told + REMINDER:
            return False
        trouble.error, trouble.told = error, now
        return True

    def _recovered(self, delivery: Delivery) -> None:
        trouble = self._failing.pop(delivery.target)
        seconds = round(self._clock.now() - trouble.since)
        log.info("target.recovered", target=delivery.target, failures=trouble.failures, seconds=seconds)


def _tell_dead(settlement: Settlement) -> None:
    delivery, attempt = settlement.delivery, settlement.attempt
    log.error(
        "delivery.dead",
        target=delivery.target,
        error=None if attempt is None else attempt.error,
        answer="" if attempt is None else attempt.answer,
        rules=delivery.rules,
        type=delivery.event.type,
        source=delivery.event.source,
        id=delivery.event.id,
        attempts=sum(not one.redrive for one in settlement.tried().attempts),
        delivery=delivery.id,
    )
