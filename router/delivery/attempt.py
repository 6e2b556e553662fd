"""One attempt: bodies are rendered, the target is asked once, and what it says is judged by the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
import structlog

from router.clock import Clock
from router.delivery.retry import Chance, GiveUp, Policy, decide
from router.delivery.states import Happening, after
from router.store.base import Attempt, Delivery, Settlement, State
from router.targets.base import (
    ANSWER_BYTES,
    Body,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Target,
)

PAUSE = 1.0
"""Seconds before a body that could not be made now is tried again."""

log = structlog.stdlib.get_logger(__name__)


class UnrenderableError(Exception):
    """A delivery's body cannot be made, now or ever."""


Render = Callable[[Delivery], Awaitable[Body | None]]
"""Makes a delivery's body; None for the event as it is. Raises UnrenderableError."""


class Tried(NamedTuple):
    """What came of an attempt.

    Attributes:
        settlements: one for each delivery.
        outcomes: what the target said, of those that reached it.
        ended: when, seconds since the epoch.
    """

    settlements: Sequence[Settlement]
    outcomes: Sequence[Outcome]
    ended: float


class Attempts:
    """Makes attempts. Whatever goes wrong in here costs no delivery and no worker.

    Args:
        chance: for the jitter of retries.
    """

    def __init__(self, render: Render, time: Clock, chance: Chance) -> None:
        self._render = render
        self._time = time
        self._chance = chance

    async def make(self, target: Target, policy: Policy, deliveries: Sequence[Delivery]) -> Tried:
        """Try once."""
        began = self._time.now()
        messages, settlements = await self._rendered(deliveries, began)
        outcomes: Sequence[Outcome] = ()
        if messages:
            outcomes = await _deliver(deliveries[0].target, target, list(messages.values()))
        now = self._time.now()
        settlements.extend(
            self._settlement(policy, deliveries[index], outcome, began, now)
            for index, outcome in zip(messages, outcomes, strict=True)
        )
        return Tried(settlements, outcomes, now)

    async def _rendered(
        self, deliveries: Sequence[Delivery], now: float
    ) -> tuple[dict[int, Message], list[Settlement]]:
        """Messages by their delivery's index, and what became of the deliveries that have none."""
        messages: dict[int, Message] = {}
        settlements = []
        for index, delivery in enumerate(deliveries):
            try:
                messages[index] = _message(delivery, await self._render(delivery))
            except UnrenderableError as error:
                attempt = Attempt(at=now, seconds=0.0)
                settlements.append(_settled(delivery, Happening.REJECTED, attempt, str(error)))
            except Exception:
                log.exception("delivery.unrendered", target=delivery.target, delivery=delivery.id)
                due = self._time.now() + PAUSE
                settlements.append(_settled(delivery, Happening.FAILED, due=due))
        return messages, settlements

    def _settlement(
        self, policy: Policy, delivery: Delivery, outcome: Outcome, began: float, now: float
    ) -> Settlement:
        answer = outcome.answer[:ANSWER_BYTES].decode(errors="replace")
        attempt = Attempt(at=began, seconds=now - began, status=outcome.status, answer=answer)
        match outcome:
            case Delivered():
                return _settled(delivery, Happening.DELIVERED, attempt)
            case Rejected(reason=reason):
                return _settled(delivery, Happening.REJECTED, attempt, reason)
            case RetryLater(reason=reason, after=after):
                tries = delivery.tries
                decision = decide(
                    policy,
                    attempt=len(tries) + 1,
                    began=tries[0].at if tries else began,
                    now=now,
                    after=after,
                    chance=self._chance,
                )
                if isinstance(decision, GiveUp):
                    return _settled(delivery, Happening.EXHAUSTED, attempt, f"{reason}; {decision.reason}")
                return _settled(delivery, Happening.FAILED, attempt, reason, decision.when)


def _settled(
    delivery: Delivery,
    happening: Happening,
    attempt: Attempt | None = None,
    error: str | None = None,
    due: float | None = None,
) -> Settlement:
    if error is not None and attempt is not None:
        attempt = msgspec.structs.replace(attempt, error=error)
    state = after(State.IN_FLIGHT, happening)
    return Settlement(delivery=delivery, state=state, attempt=attempt, due=due)


def _message(delivery: Delivery, body: Body | None) -> Message:
    return Message(
        id=delivery.id,
        sequence=delivery.sequence,
        event=delivery.event,
        body=body,
        rules=delivery.rules,
        attempt=len(delivery.tries) + 1 if delivery.attempts else 1,
    )


async def _deliver(name: str, target: Target, messages: Sequence[Message]) -> Sequence[Outcome]:
    try:
        return _checked(await target.deliver(messages), len(messages))
    except Exception as error:
        log.exception("delivery.target_failed", target=name, deliveries=len(messages))
        return [RetryLater(f"the target's code failed: {type(error).__name__}: {error}")] * len(messages)


def _checked(outcomes: Sequence[Outcome], wanted: int) -> Sequence[Outcome]:
    """A target's answer, if it is one. Plugins are other people's code.

    Raises:
        TypeError: it is not.
    """
    found = list(outcomes)
    if len(found) != wanted or not all(isinstance(one, Outcome) for one in found):
        raise TypeError(f"an outcome for each of {wanted} messages was due, not {found!r:.200}")
    return found
