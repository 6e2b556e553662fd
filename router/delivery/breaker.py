"""When a target is left alone, and when it is tried again. Pure: outcomes and times in, a state out."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from router.delivery.retry import Policy, longest_wait
from router.targets.base import Cause, Outcome, RetryLater

FAILURES = 5
"""So many failures in a row open the breaker,"""

SPAN = 1.0
"""if this many seconds lie between the first and the last: a blip that hits many at once is no breakdown."""


class Mode(enum.StrEnum):
    """Whether deliveries are claimed for a target."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


CLOSED = Mode.CLOSED
"""By a name that costs nothing to look up, where each delivery asks."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A target's circuit breaker.

    Attributes:
        mode: CLOSED lets everything through, OPEN nothing, HALF_OPEN one delivery at a time.
        since: when this mode began, seconds since the epoch.
        reason: why the last failure failed; "" after a success.
        until: when the next probe is made, seconds since the epoch; None unless it is open.
        failures: how many there were in a row; counted while it is closed.
        failing: when the first after the last success was, seconds since the epoch; 0 after a success.
        probes: how many failures opened it since it was closed; the back-off grows with them.
    """

    mode: Mode = Mode.CLOSED
    since: float = 0.0
    reason: str = ""
    until: float | None = None
    failures: int = 0
    failing: float = 0.0
    probes: int = 0


def probing(breaker: Breaker, now: float) -> Breaker:
    """Half-open once the time of an open one has come."""
    if breaker.until is None or now < breaker.until:
        return breaker
    return replace(breaker, mode=Mode.HALF_OPEN, since=now, until=None)


def after(breaker: Breaker, outcomes: Sequence[Outcome], now: float, policy: Policy) -> Breaker:
    """The breaker after one call of the target's.

    A target that rejects an event works. One success or rejection closes the breaker, whenever it comes.
    """
    if not outcomes:
        return breaker
    if not isinstance(outcomes[0], RetryLater):  # by far the most
        return _closed(breaker, now)
    failures = [outcome for outcome in outcomes if isinstance(outcome, RetryLater)]
    if len(failures) < len(outcomes):
        return _closed(breaker, now)
    worst = max(failures, key=lambda failure: failure.cause.value)
    match worst.cause, breaker.mode:
        case Cause.THROTTLED, _:
            until = max(now + (worst.after or 0.0), breaker.until or now)
            return _open(breaker, now, worst.reason, until, breaker.probes)
        case Cause.MISDIRECTED, Mode.OPEN:
            return replace(breaker, reason=worst.reason)
        case Cause.PASSING, Mode.OPEN:
            return breaker
        case Cause.PASSING, Mode.CLOSED:
            counted = _counted(breaker, now, worst.reason)
            if counted.failures < FAILURES or now - counted.failing < SPAN:
                return counted
    probes = breaker.probes + 1
    # A target that named a time is not asked before, but for longer than `most` nobody is left alone.
    wait = max(longest_wait(policy, probes), min(worst.after or 0.0, policy.most))
    return _open(breaker, now, worst.reason, now + wait, probes)


def after_each(breaker: Breaker, outcomes: Sequence[Outcome], now: float, policy: Policy) -> Breaker:
    """The breaker after calls that ended together, one for each outcome."""
    for outcome in outcomes:
        breaker = after(breaker, (outcome,), now, policy)
    return breaker


def _closed(breaker: Breaker, now: float) -> Breaker:
    if breaker.mode is not CLOSED:
        return Breaker(since=now)
    return Breaker(since=breaker.since) if breaker.failures else breaker


def _counted(breaker: Breaker, now: float, reason: str) -> Breaker:
    failing = breaker.failing if breaker.failures else now
    return replace(breaker, failures=breaker.failures + 1, failing=failing, reason=reason)


def _open(breaker: Breaker, now: float, reason: str, until: float, probes: int) -> Breaker:
    since = breaker.since if breaker.mode is Mode.OPEN else now
    failing = breaker.failing or now
    return Breaker(Mode.OPEN, since, reason, until, failing=failing, probes=probes)
