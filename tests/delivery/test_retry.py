from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.retry import GiveUp, Policy, TryAt, decide, longest, longest_wait

POLICY = Policy(attempts=5, within=100.0, first=1.0, most=6.0)


def after(
    attempt: int,
    *,
    now: float = 10.0,
    began: float = 0.0,
    asked: float | None = None,
    chance: float = 1.0,
    policy: Policy = POLICY,
) -> TryAt | GiveUp:
    return decide(policy, attempt=attempt, began=began, now=now, after=asked, chance=lambda: chance)


def test_the_longest_wait_doubles_until_the_most() -> None:
    assert [longest_wait(POLICY, attempt) for attempt in range(1, 6)] == [1.0, 2.0, 4.0, 6.0, 6.0]


@given(
    st.builds(
        Policy,
        attempts=st.integers(1, 300),
        within=st.floats(0.1, 1e5),
        first=st.floats(0.001, 10),
        most=st.floats(10, 1000),
    )
)
def test_the_longest_time_is_that_of_whoever_always_waits_longest(policy: Policy) -> None:
    now, attempt = 0.0, 1
    while isinstance(
        found := decide(policy, attempt=attempt, began=0.0, now=now, after=None, chance=lambda: 1.0), TryAt
    ):
        now, attempt = found.when, attempt + 1
    assert longest(policy) == pytest.approx(now)


def test_the_longest_time_of_any_number_of_attempts_is_found_at_once() -> None:
    assert longest(Policy(attempts=10**15, within=1e9, first=1e-9, most=600.0)) == 1e9


def test_the_wait_is_spread_over_all_of_it() -> None:
    assert [after(3, chance=chance) for chance in (0.0, 0.5, 1.0)] == [TryAt(10.0), TryAt(12.0), TryAt(14.0)]


def test_retry_after_is_waited_for_even_where_the_policy_would_wait_less() -> None:
    assert after(1, asked=30.0) == TryAt(40.0)


def test_retry_after_shortens_nothing() -> None:
    assert after(3, asked=0.5) == TryAt(14.0)


def test_the_last_attempt_is_the_last() -> None:
    assert after(4) == TryAt(16.0)
    assert after(5) == GiveUp("gave up after 5 attempts")


def test_the_last_attempt_is_made_at_the_end_of_the_time() -> None:
    assert after(4, now=98.0) == TryAt(100.0)
    assert after(4, now=100.0) == GiveUp("gave up after 4 attempts in 100 s")


def test_a_target_that_asks_for_too_long_is_asked_once_more_at_the_end_of_the_time() -> None:
    assert after(1, asked=91.0) == TryAt(100.0)


@pytest.mark.parametrize("attempt", [1, 63, 64, 1_000, 10**6])
def test_no_number_of_attempts_overflows(attempt: int) -> None:
    policy = Policy(attempts=10**9, within=1e9, first=1.0, most=600.0)
    assert longest_wait(policy, attempt) <= 600.0


times = st.floats(min_value=0.001, max_value=1e6)


@given(
    policy=st.builds(Policy, attempts=st.integers(1, 500), within=times, first=times, most=times),
    attempt=st.integers(1, 500),
    age=st.floats(0, 1e6),
    asked=st.none() | st.floats(0, 1e6),
    chance=st.floats(0, 1),
)
def test_every_decision_keeps_the_policy(
    policy: Policy, attempt: int, age: float, asked: float | None, chance: float
) -> None:
    now = 1_000_000.0 + age
    decision = after(attempt, now=now, began=1_000_000.0, asked=asked, chance=chance, policy=policy)
    deadline = 1_000_000.0 + policy.within
    if isinstance(decision, GiveUp):
        assert attempt >= policy.attempts or now >= deadline
    else:
        assert attempt < policy.attempts
        assert now <= decision.when <= deadline
        assert asked is None or decision.when >= min(now + asked, deadline)
        assert decision.when <= now + max(policy.most, asked or 0.0)
