"""When to try again, and when to give up. Pure: times and chances come in, a decision goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Chance = Callable[[], float]
"""A random number from 0 to 1, evenly spread."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a target is tried.

    Attributes:
        attempts: how many at most, the first included.
        within: seconds from the first attempt after which no other is made.
        first: the longest wait after the first attempt, in seconds; it doubles with each attempt.
        most: the longest wait of all, in seconds.
    """

    attempts: int = 185
    within: float = 86_400.0
    first: float = 1.0
    most: float = 600.0


@dataclass(frozen=True, slots=True)
class TryAt:
    """Try again at `when`, seconds since the epoch."""

    when: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No other attempt, for this reason."""

    reason: str


def longest_wait(policy: Policy, attempt: int) -> float:
    """The upper bound of the wait after attempt number `attempt` (1 is the first), in seconds."""
    # 2**63 would overflow no float, but nobody needs to multiply that far to reach `most`.
    return min(policy.most, policy.first * 2.0 ** min(attempt - 1, 62))


def longest(policy: Policy) -> float:
    """The longest time from the first attempt to the last, in seconds, where no target asks for more.

    The shortest is nothing: each wait may be.
    """
    total = 0.0
    for attempt in range(1, policy.attempts):
        wait = longest_wait(policy, attempt)
        if wait == policy.most:  # and so are all that follow
            total += (policy.attempts - attempt) * wait
            break
        total += wait
    return min(total, policy.within)


def decide(
    policy: Policy, *, attempt: int, began: float, now: float, after: float | None, chance: Chance
) -> TryAt | GiveUp:
    """What to do after a failed attempt: exponential back-off with full jitter.

    The wait is evenly spread from nothing to `longest_wait`, so that many deliveries that failed
    together do not come back together. A target that named a time (Retry-After, RFC 9110, section
    10.2.3) is not tried before it. The last attempt is made at the end of `within` rather than
    skipped, also where the target asked to wait longer: nothing is given up unasked.

    Args:
        policy: the target's.
        attempt: the number of the attempt that failed, 1 for the first.
        began: when the first attempt began, seconds since the epoch.
        now: seconds since the epoch.
        after: seconds the target asked us to wait at least.
        chance: where in the spread this one falls.
    """
    if attempt >= policy.attempts:
        return GiveUp(f"gave up after {attempt} attempts")
    deadline = began + policy.within
    if now >= deadline:
        return GiveUp(f"gave up after {attempt} attempts in {now - began:.0f} s")
    wait = max(chance() * longest_wait(policy, attempt), after or 0.0)
    return TryAt(min(now + wait, deadline))
