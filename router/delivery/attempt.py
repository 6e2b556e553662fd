"""Attempts: bodies are rendered, the target is asked once, and what it says is judged by the policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import NoneType
from typing import Any, Final

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
    Prompt,
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


class Begun:
    """A first try that is under way without anybody who waits for it; to be called with the answer.

    Attributes:
        began: when, seconds since the epoch.
        answer: what the target has called it with, once it has.

    Args:
        tell: is called once, with this, when the answer is there.
    """

    __slots__ = ("_tell", "answer", "began", "delivery")

    def __init__(self, delivery: Delivery, began: float, tell: Callable[[Begun], None]) -> None:
        self.delivery = delivery
        self.began = began
        self.answer: object = None
        self._tell: Callable[[Begun], None] | None = tell

    def __call__(self, answer: object) -> None:
        """The answer; the first one counts."""
        tell, self._tell = self._tell, None
        if tell is not None:
            self.answer = answer
            tell(self)

    def forget(self) -> bool:
        """Let no answer count any more; whether none has come."""
        is_open, self._tell = self._tell is not None, None
        return is_open


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
            messages.append(_message(delivery, body))
            sent.append(delivery)
        if not messages:
            return Tried(settlements, (), self._time.now())
        try:
            outcomes = _checked(await target.deliver(messages), len(messages))
        except Exception as error:  # noqa: BLE001 -- plugins are other people's code
            outcomes = [_code_failed(error, sent)] * len(messages)
        ended = self._time.now()
        begun = [began] * len(sent)
        settlements += self._settlements(policy, sent, outcomes, begun, ended, lasting=lasting)
        return Tried(settlements, outcomes, ended)

    @staticmethod
    def begin(target: Prompt, begun: Begun) -> bool:
        """Try what can be tried without waiting for anything; whether it is under way now."""
        delivery = begun.delivery
        if delivery.variant or delivery.attempts:
            return False
        try:
            is_under_way = target.begin(_message(delivery, None), begun)
        except Exception as error:  # noqa: BLE001 -- as above
            begun(error)
            return True
        return is_under_way or not begun.forget()

    def judge(
        self, target: Prompt, policy: Policy, answered: Sequence[Begun]
    ) -> tuple[Tried, list[Delivery]]:
        """What came of these; and those of them of which the target says that they are to be tried now."""
        sent: list[Delivery] = []
        began: list[float] = []
        outcomes: list[Outcome] = []
        undone: list[Delivery] = []
        known: object = _NOTHING
        outcome: Outcome | None = None
        for one in answered:
            if one.answer is not known:  # many have the same
                known, outcome = one.answer, _outcome(target, one)
            if outcome is None:
                undone.append(one.delivery)
                continue
            sent.append(one.delivery)
            began.append(one.began)
            outcomes.append(outcome)
        ended = self._time.now()
        settlements = self._settlements(policy, sent, outcomes, began, ended, lasting=False)
        return Tried(settlements, outcomes, ended), undone

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
        begun: Sequence[float],
        now: float,
        *,
        lasting: bool,
    ) -> list[Settlement]:
        """What became of those that reached the target. Those of one outcome and time share its attempt."""
        found: list[Settlement] = []
        known: Outcome | None = None
        since = now
        for delivery, outcome, began in zip(sent, outcomes, begun, strict=True):
            if not isinstance(outcome, Delivered):
                found.append(self._undelivered(policy, delivery, outcome, began, now, lasting=lasting))
                continue
            if outcome is not known or began != since:
                known, since, attempt = outcome, began, _attempt(outcome, None, began, now)
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


_NOTHING: Final = object()


def _message(delivery: Delivery, body: Body | None) -> Message:
    number = len(delivery.tries) + 1 if delivery.attempts else 1
    return Message(delivery.id, delivery.sequence, delivery.event, body, delivery.rules, number)


def _outcome(target: Prompt, begun: Begun) -> Outcome | None:
    """What the answer means; None where it is to be tried now."""
    answer = begun.answer
    if isinstance(answer, Exception):
        return _code_failed(answer, (begun.delivery,))
    try:
        outcome = target.outcome(answer)
        return None if outcome is None else _checked((outcome,), 1)[0]
    except Exception as error:  # noqa: BLE001 -- as above
        return _code_failed(error, (begun.delivery,))


def _code_failed(error: Exception, sent: Sequence[Delivery]) -> RetryLater:
    """What is said of those that the target was asked for when its code failed."""
    log.error("delivery.target_failed", target=sent[0].target, deliveries=len(sent), exc_info=error)
    return RetryLater(f"the target's code failed: {type(error).__name__}: {error}")


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
