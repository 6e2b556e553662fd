"""When a cloud sends again. Pure.

What is known comes from the clouds' documents: EventBridge's two retry policies (its page "Retry and
dead-letter"), and Baidu's sentence that anything but 200 is pushed again, 429 "after an interval". How often
and how long Baidu does so is written nowhere: here it is EventBridge's decay. Of Tencent CI no retries are
documented at all, so a callback that is not taken counts as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from random import Random

DAY = 86_400.0
"""Seconds after which nobody tries any longer, however often it was asked to wait."""

DECAY = (*(2.0**n for n in range(9)), *(512.0,) * 167)
"""EventBridge's EXPONENTIAL_DECAY_RETRY: 1, 2, 4, … 256 s, then 512 s: 176 pauses, 86,015 s in all."""


ASKED = 100
"""How often it waits because a 429 asks it to; further ones count as failures like any other."""

SHORTEST = 1.0
"""Seconds that it waits at least when it is asked to: `Retry-After: 0` is no invitation to go on and on."""


def backoff(random: Random) -> tuple[float, ...]:
    """EventBridge's BACKOFF_RETRY: three pauses of 10 to 20 s."""
    return tuple(random.uniform(10.0, 20.0) for _ in range(3))


def decay(_: Random) -> tuple[float, ...]:
    """EventBridge's EXPONENTIAL_DECAY_RETRY."""
    return DECAY


def once(_: Random) -> tuple[float, ...]:
    """No second try."""
    return ()


@dataclass(frozen=True, slots=True)
class Policy:
    """How a cloud takes an answer.

    Attributes:
        pauses: the seconds before each further try, drawn anew for each event.
        heeds: whether it waits as long as the Retry-After of a 429 says, `ASKED` times.
    """

    pauses: Callable[[Random], tuple[float, ...]]
    heeds: bool = False


BACKOFF = Policy(backoff)
EXPONENTIAL = Policy(decay)
BAIDU = Policy(decay, heeds=True)
ONCE = Policy(once)


class Then(StrEnum):
    """What comes of an attempt."""

    TAKEN = "taken"
    AGAIN = "again"
    LOST = "lost"


class Course:
    """The tries of one event.

    Args:
        policy: its sender's.
        random: where pauses are drawn from.
    """

    def __init__(self, policy: Policy, random: Random) -> None:
        self._asked = ASKED if policy.heeds else 0
        self._left: Iterator[float] = iter(policy.pauses(random))
        self._waited = 0.0

    def after(self, status: int | None, retry_after: float | None = None) -> tuple[Then, float]:
        """What comes after an answer, and in how many seconds.

        Args:
            status: None where there was no answer. Only 200 is success: Baidu's document says so, and of
                EventBridge and Tencent it is what is known to work.
            retry_after: the seconds that the answer asks for. A 429 that is waited for, for `SHORTEST` at
                least, uses up no try.
        """
        if status == HTTPStatus.OK:
            return Then.TAKEN, 0.0
        pause: float | None
        if self._asked and status == HTTPStatus.TOO_MANY_REQUESTS and retry_after is not None:
            self._asked -= 1
            pause = max(retry_after, SHORTEST)
        else:
            pause = next(self._left, None)
        if pause is None or self._waited + pause > DAY:
            return Then.LOST, 0.0
        self._waited += pause
        return Then.AGAIN, pause
