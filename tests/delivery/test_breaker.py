"""The circuit breaker, as a function of outcomes and times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.breaker import FAILURES, SPAN, Breaker, Mode, after, after_each, probing
from router.delivery.retry import Policy, longest_wait
from router.targets.base import Cause, Delivered, Outcome, Rejected, RetryLater

NOW = 1_800_000_000.0
POLICY = Policy(first=1.0, most=60.0)
BUSY = RetryLater("busy", 503)
EXPIRED = RetryLater("expired", 401, cause=Cause.MISDIRECTED)


def throttled(seconds: float) -> RetryLater:
    return RetryLater("slow down", 429, after=seconds, cause=Cause.THROTTLED)


def run(*steps: tuple[float, Outcome]) -> Breaker:
    breaker = Breaker(since=NOW)
    for seconds, outcome in steps:
        breaker = after(probing(breaker, NOW + seconds), [outcome], NOW + seconds, POLICY)
    return breaker


def failing(times: Sequence[float]) -> Breaker:
    return run(*((seconds, BUSY) for seconds in times))


def test_success_after_success_changes_nothing() -> None:
    breaker = Breaker(since=NOW)
    assert after(breaker, [Delivered()], NOW + 1, POLICY) is breaker
    assert after(breaker, [], NOW + 1, POLICY) is breaker


def test_five_failures_over_a_second_open_it_and_the_policy_says_for_how_long() -> None:
    assert failing([0, 0.3, 0.6, 0.9]).mode is Mode.CLOSED
    opened = failing([0, 0.3, 0.6, 0.9, 1.2])
    assert opened == Breaker(Mode.OPEN, NOW + 1.2, "busy", NOW + 2.2, failing=NOW, probes=1)


def test_a_blip_that_hits_many_at_once_does_not_open_it() -> None:
    assert failing([0.0] * 100 + [0.5] * 100).mode is Mode.CLOSED
    assert failing([0.0] * 100 + [0.5] * 100 + [SPAN]).mode is Mode.OPEN


def test_four_failures_a_day_apart_do_not_open_it() -> None:
    assert failing([day * 86_400.0 for day in range(FAILURES - 1)]).mode is Mode.CLOSED


@pytest.mark.parametrize("good", [Delivered(), Rejected("422")])
def test_a_success_in_between_begins_the_count_anew(good: Outcome) -> None:
    steps: list[tuple[float, Outcome]] = [(second, BUSY) for second in range(4)]
    breaker = run(*steps, (4, good), *((5 + second, outcome) for second, outcome in steps))
    assert (breaker.mode, breaker.failures, breaker.failing) == (Mode.CLOSED, 4, NOW + 5)
    assert breaker.since == NOW


def test_a_target_that_is_wrong_opens_it_at_once() -> None:
    assert run((3, EXPIRED)) == Breaker(Mode.OPEN, NOW + 3, "expired", NOW + 4, failing=NOW + 3, probes=1)


def test_each_probe_that_fails_doubles_the_wait_up_to_the_most() -> None:
    breaker, now, waits = run((0, EXPIRED)), NOW, []
    for _ in range(9):
        assert breaker.until is not None
        waits.append(breaker.until - now)
        now = breaker.until
        half = probing(breaker, now)
        assert (half.mode, half.since, half.until, half.reason) == (Mode.HALF_OPEN, now, None, breaker.reason)
        breaker = after(half, [BUSY], now, POLICY)
        assert (breaker.since, breaker.failing) == (now, NOW)  # it has failed since the first of all
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_no_probe_before_its_time() -> None:
    breaker = run((0, EXPIRED))
    assert probing(breaker, NOW + 0.999) is breaker
    assert probing(breaker, NOW + 1.0).mode is Mode.HALF_OPEN


@pytest.mark.parametrize("good", [Delivered(), Rejected("422")])
def test_a_probe_that_gets_through_closes_it_and_the_wait_begins_anew(good: Outcome) -> None:
    breaker = run((0, EXPIRED), (1, BUSY), (3, good))
    assert breaker == Breaker(since=NOW + 3)
    opened = after(breaker, [EXPIRED], NOW + 5, POLICY)
    assert opened.until == NOW + 6


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_wait() -> None:
    breaker = run(
        (0, EXPIRED), (0.1, BUSY), (0.2, EXPIRED), (0.3, RetryLater("gone", 410, cause=EXPIRED.cause))
    )
    assert breaker == Breaker(Mode.OPEN, NOW, "gone", NOW + 1, failing=NOW, probes=1)


def test_what_was_under_way_and_gets_through_closes_it() -> None:
    assert run((0, EXPIRED), (0.5, Delivered())) == Breaker(since=NOW + 0.5)


def test_a_target_that_asks_for_a_pause_gets_it() -> None:
    breaker = run((0, throttled(30)), (0.1, throttled(10)), (0.2, throttled(40)))
    assert breaker == Breaker(Mode.OPEN, NOW, "slow down", NOW + 40.2, failing=NOW, probes=0)


def test_a_pause_that_was_asked_for_is_no_fault() -> None:
    assert run((0, throttled(30)), (30, EXPIRED)).until == NOW + 31


def test_a_failure_that_names_a_time_is_believed_up_to_the_policys_most() -> None:
    times = [(second, RetryLater("down", 503, after=45.0)) for second in range(5)]
    assert run(*times).until == NOW + 4 + 45
    times = [(second, RetryLater("down", 503, after=86_400.0)) for second in range(5)]
    assert run(*times).until == NOW + 4 + 60


def test_one_answer_for_many_messages_is_one_answer() -> None:
    breaker = Breaker(since=NOW)
    assert after(breaker, [BUSY] * 500, NOW, POLICY).failures == 1
    assert after(breaker, [BUSY, Delivered()], NOW, POLICY) is breaker
    assert after(breaker, [BUSY, EXPIRED, BUSY], NOW, POLICY).reason == "expired"
    assert after(breaker, [BUSY, Rejected("422")], NOW, POLICY) is breaker


outcomes = st.one_of(
    st.just(Delivered()),
    st.just(Rejected("422")),
    st.just(BUSY),
    st.just(EXPIRED),
    st.builds(throttled, st.floats(0, 1e5)),
    st.builds(RetryLater, st.just("down"), after=st.floats(0, 1e5)),
)


@given(st.lists(st.tuples(st.floats(0, 100), outcomes), max_size=60))
def test_whatever_happens_it_is_tried_again_in_time(steps: list[tuple[float, Outcome]]) -> None:
    breaker, now = Breaker(since=NOW), NOW
    for passed, outcome in steps:
        now += passed
        before = probing(breaker, now)
        breaker = after(before, [outcome], now, POLICY)
        assert (breaker.mode is Mode.OPEN) == (breaker.until is not None)
        assert NOW <= breaker.since <= now
        if not isinstance(outcome, RetryLater):
            assert breaker.mode is Mode.CLOSED
        elif before.mode is Mode.HALF_OPEN:
            assert breaker.mode is Mode.OPEN
        if breaker.until is not None and before.mode is not Mode.OPEN:
            asked = outcome.after or 0.0 if isinstance(outcome, RetryLater) else 0.0
            assert breaker.until <= now + max(asked, longest_wait(POLICY, 99))


@given(
    outcomes=st.lists(st.sampled_from([Delivered(), Rejected("422"), BUSY, EXPIRED, throttled(9.0)])),
    before=st.sampled_from([Breaker(since=NOW), failing([0, 0.3, 0.6, 0.9]), run((0, EXPIRED))]),
)
def test_calls_that_end_together_mean_what_they_mean_one_by_one(
    outcomes: list[Outcome], before: Breaker
) -> None:
    expected = before
    for outcome in outcomes:
        expected = after(expected, [outcome], NOW + 5, POLICY)
    assert after_each(before, outcomes, NOW + 5, POLICY) == expected


def test_of_calls_that_end_together_the_last_one_says_how_it_is() -> None:
    before = Breaker(since=NOW)
    assert after_each(before, [Delivered(), throttled(9.0)], NOW, POLICY).mode is Mode.OPEN
    assert after_each(before, [throttled(9.0), Delivered()], NOW, POLICY).mode is Mode.CLOSED
