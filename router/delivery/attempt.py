"""One attempt: bodies are rendered, the target is asked once, and what it says is judged by the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import NoneType
from typing import Any

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

_DELIVERED, _FAILED, _REJECTED, _EXHAUSTED = (
    after(State.IN_FLIGHT, happening)
    for happening in (Happening.DELIVERED, Happening.FAILED, Happening.REJECTED, Happening.EXHAUSTED)
)

_OUTCOMES = (Delivered, RetryLater, Rejected)

_STATUS = (int, NoneType)

log = structlog.stdlib.get_logger(__name__)


class UnrenderableError(Exception):
    """A delivery's body cannot be made, now or ever."""


Render = Callable[[Delivery], Awaitable[Body | None]]
"""Makes the body of a delivery that has a variant; None for the event as it is. Raises UnrenderableError."""


class Tried(msgspec.Struct, frozen=True, gc=False):
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
                body = await self._render(delivery) if delivery.variant else None
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this delivery's alone
                settlements.append(self._unrendered(delivery, error, began))
                continue
            number = len(delivery.tries) + 1 if delivery.attempts else 1
            messages.append(
                Message(delivery.id, delivery.sequence, delivery.event, body, delivery.rules, number)
            )
            sent.append(delivery)
        if not messages:
            return Tried(settlements, (), self._time.now())
        try:
            outcomes = _checked(await target.deliver(messages), len(messages))
        except Exception as error:
            log.exception("delivery.target_failed", target=deliveries[0].target, deliveries=len(messages))
            why = f"the target's code failed: {type(error).__name__}: {error}"
            outcomes = [RetryLater(why)] * len(messages)
        ended = self._time.now()
        settlements += self._settlements(policy, sent, outcomes, began, ended, lasting=lasting)
        return Tried(settlements, outcomes, ended)

    def _unrendered(self, delivery: Delivery, error: Exception, now: float) -> Settlement:
        if isinstance(error, UnrenderableError):
            attempt = Attempt(at=now, seconds=0.0, error=_sayable(str(error)))
            return Settlement(delivery=delivery, state=_REJECTED, attempt=attempt)
        log.error("delivery.unrendered", target=delivery.target, delivery=delivery.id, exc_info=error)
        return Settlement(delivery=delivery, state=_FAILED, due=self._time.now() + PAUSE)

    def _settlements(
        self,
        policy: Policy,
        sent: Sequence[Delivery],
        outcomes: Sequence[Outcome],
        began: float,
        now: float,
        *,
        lasting: bool,
    ) -> list[Settlement]:
        """What became of those that reached the target. Those of one outcome share its attempt."""
        found: list[Settlement] = []
        known: Outcome | None = None
        for delivery, outcome in zip(sent, outcomes, strict=True):
            if not isinstance(outcome, Delivered):
                found.append(self._undelivered(policy, delivery, outcome, began, now, lasting=lasting))
                continue
            if outcome is not known:
                known, attempt = outcome, _attempt(outcome, None, began, now)
            found.append(Settlement(delivery, _DELIVERED, attempt, None, lasting))
        return found

    def _undelivered(
        self,
        policy: Policy,
        delivery: Delivery,
        outcome: RetryLater | Rejected,
        began: float,
        now: float,
        *,
        lasting: bool,
    ) -> Settlement:
        state, error, due = _REJECTED, outcome.reason, None
        if isinstance(outcome, RetryLater):
            state, error, due = self._failed(policy, delivery, outcome, began, now)
        return Settlement(delivery, state, _attempt(outcome, _sayable(error), began, now), due, lasting)

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


def _attempt(outcome: Outcome, error: str | None, began: float, now: float) -> Attempt:
    answer = outcome.answer[:ANSWER_BYTES].decode(errors="replace") if outcome.answer else ""
    return Attempt(began, now - began, outcome.status, error, answer)


def _checked(outcomes: Sequence[Outcome], wanted: int) -> Sequence[Outcome]:
    """A target's answer, if it is one. Plugins are other people's code.

    Raises:
        TypeError: it is not.
    """
    found = list(outcomes)
    is_sound, known = len(found) == wanted, object()
    for one in found:
        if one is not known:  # many of a group have the same one
            is_sound, known = is_sound and _is_sound(one), one
    if not is_sound:
        raise TypeError(f"an outcome for each of {wanted} messages was due, not {found!r:.200}")
    return found


def _is_sound(one: Any) -> bool:
    """Whether it is an outcome, down to what stands in it: to make one asks nothing."""
    if not isinstance(one, _OUTCOMES):
        return False
    held: Any = one
    if not isinstance(held.answer, bytes) or not isinstance(held.status, _STATUS):
        return False
    if isinstance(one, Delivered):
        return True
    return isinstance(held.reason, str) and isinstance(getattr(held, "after", None), int | float | None)


def _sayable(text: str) -> str:
    """A text as it can be written down: names of files may hold what is no character."""
    return text.encode("utf-8", "backslashreplace").decode()
