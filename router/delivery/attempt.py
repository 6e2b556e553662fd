"""One attempt: bodies are rendered, the target is asked once, and what it says is judged by the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

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

_DELIVERED, _FAILED, _REJECTED, _EXHAUSTED = (
    after(State.IN_FLIGHT, happening)
    for happening in (Happening.DELIVERED, Happening.FAILED, Happening.REJECTED, Happening.EXHAUSTED)
)

_OUTCOMES = (Delivered, RetryLater, Rejected)

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

    async def make(
        self, target: Target, policy: Policy, deliveries: Sequence[Delivery], *, lasting: bool = False
    ) -> Tried:
        """Try once; `lasting` is for the settlements."""
        began = self._time.now()
        settlements: list[Settlement] = []
        messages: list[Message] = []
        sent: list[Delivery] = []
        for delivery in deliveries:
            try:
                messages.append(_message(delivery, await self._render(delivery)))
                sent.append(delivery)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this delivery's alone
                settlements.append(self._unrendered(delivery, error, began))
        if not messages:
            return Tried(settlements, (), self._time.now())
        try:
            outcomes = _checked(await target.deliver(messages), len(messages))
        except Exception as error:
            log.exception("delivery.target_failed", target=deliveries[0].target, deliveries=len(messages))
            why = f"the target's code failed: {type(error).__name__}: {error}"
            outcomes = [RetryLater(why)] * len(messages)
        now = self._time.now()
        for delivery, outcome in zip(sent, outcomes, strict=True):
            settlements.append(self._settlement(policy, delivery, outcome, began, now, lasting=lasting))
        return Tried(settlements, outcomes, now)

    def _unrendered(self, delivery: Delivery, error: Exception, now: float) -> Settlement:
        if isinstance(error, UnrenderableError):
            attempt = Attempt(at=now, seconds=0.0, error=_sayable(str(error)))
            return Settlement(delivery=delivery, state=_REJECTED, attempt=attempt)
        log.error("delivery.unrendered", target=delivery.target, delivery=delivery.id, exc_info=error)
        return Settlement(delivery=delivery, state=_FAILED, due=self._time.now() + PAUSE)

    def _settlement(
        self,
        policy: Policy,
        delivery: Delivery,
        outcome: Outcome,
        began: float,
        now: float,
        *,
        lasting: bool,
    ) -> Settlement:
        state, error, due = _DELIVERED, None, None
        if isinstance(outcome, Rejected):
            state, error = _REJECTED, outcome.reason
        elif isinstance(outcome, RetryLater):
            state, error, due = self._failed(policy, delivery, outcome, began, now)
        answer = outcome.answer[:ANSWER_BYTES].decode(errors="replace") if outcome.answer else ""
        error = None if error is None else _sayable(error)
        attempt = Attempt(at=began, seconds=now - began, status=outcome.status, error=error, answer=answer)
        return Settlement(delivery=delivery, state=state, attempt=attempt, due=due, lasting=lasting)

    def _failed(
        self, policy: Policy, delivery: Delivery, outcome: RetryLater, began: float, now: float
    ) -> tuple[State, str, float | None]:
        """What becomes of it, why, and when it is tried again."""
        tries = delivery.tries
        decision = decide(
            policy,
            attempt=len(tries) + 1,
            began=tries[0].at if tries else began,
            now=now,
            after=outcome.after,
            chance=self._chance,
        )
        if isinstance(decision, GiveUp):
            return _EXHAUSTED, f"{outcome.reason}; {decision.reason}", None
        return _FAILED, outcome.reason, decision.when


def _message(delivery: Delivery, body: Body | None) -> Message:
    return Message(
        id=delivery.id,
        sequence=delivery.sequence,
        event=delivery.event,
        body=body,
        rules=delivery.rules,
        attempt=len(delivery.tries) + 1 if delivery.attempts else 1,
    )


def _checked(outcomes: Sequence[Outcome], wanted: int) -> Sequence[Outcome]:
    """A target's answer, if it is one. Plugins are other people's code.

    Raises:
        TypeError: it is not.
    """
    found = list(outcomes)
    if len(found) != wanted or not all(map(_is_sound, found)):
        raise TypeError(f"an outcome for each of {wanted} messages was due, not {found!r:.200}")
    return found


def _is_sound(one: Any) -> bool:
    """Whether it is an outcome, down to what stands in it: to make one asks nothing."""
    if not isinstance(one, _OUTCOMES):
        return False
    held: Any = one
    if not isinstance(held.answer, bytes) or not isinstance(held.status, int | None):
        return False
    if isinstance(one, Delivered):
        return True
    return isinstance(held.reason, str) and isinstance(getattr(held, "after", None), int | float | None)


def _sayable(text: str) -> str:
    """A text as it can be written down: names of files may hold what is no character."""
    return text.encode("utf-8", "backslashreplace").decode()
