from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.emulators import schedule
from router.emulators.schedule import BACKOFF, BAIDU, DAY, DECAY, EXPONENTIAL, ONCE, Course, Policy, Then

POLICIES = [BACKOFF, EXPONENTIAL, BAIDU, ONCE]


def told(policy: Policy, status: int | None, retry_after: float | None = None) -> list[tuple[Then, float]]:
    """All that comes of an event that is always answered like this."""
    course = Course(policy, Random(1))
    found: list[tuple[Then, float]] = []
    while not found or found[-1][0] is Then.AGAIN:
        found.append(course.after(status, retry_after))
    return found


def test_the_decay_is_that_of_the_document() -> None:
    assert schedule.decay(Random(1)) == DECAY
    assert len(DECAY) == 176
    assert DECAY[:11] == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512)
    assert sum(DECAY) == 86_015


@given(st.randoms(use_true_random=False))
def test_the_back_off_is_three_times_ten_to_twenty_seconds(random: Random) -> None:
    pauses = schedule.backoff(random)
    assert len(pauses) == 3
    assert all(10 <= pause <= 20 for pause in pauses)


def test_each_event_waits_differently() -> None:
    random = Random(1)
    assert schedule.backoff(random) != schedule.backoff(random)


@pytest.mark.parametrize("policy", POLICIES)
def test_only_200_is_success(policy: Policy) -> None:
    assert Course(policy, Random(1)).after(200) == (Then.TAKEN, 0)
    for status in (201, 202, 204, 301, 400, 403, 404, 429, 500, 503, None):
        assert Course(policy, Random(1)).after(status)[0] is not Then.TAKEN


@pytest.mark.parametrize(
    ("policy", "tries"),
    [(BACKOFF, 4), (EXPONENTIAL, 177), (BAIDU, 177), (ONCE, 1)],
    ids=["backoff", "exponential", "baidu", "once"],
)
@pytest.mark.parametrize("status", [204, 400, 429, 503, None])
def test_each_gives_up_in_the_end(policy: Policy, tries: int, status: int | None) -> None:
    found = told(policy, status)
    assert len(found) == tries
    assert found[-1] == (Then.LOST, 0)
    assert {then for then, _ in found[:-1]} <= {Then.AGAIN}


def test_baidu_waits_as_long_as_a_429_says_and_that_uses_up_no_try() -> None:
    course = Course(BAIDU, Random(1))
    assert [course.after(429, 7.0) for _ in range(3)] == [(Then.AGAIN, 7)] * 3
    assert [course.after(503, 7.0)[1] for _ in range(3)] == [1, 2, 4]
    assert course.after(429, None) == (Then.AGAIN, 8)


@pytest.mark.parametrize("asked", [0.0, 0.5])
def test_baidu_may_not_be_asked_to_go_on_and_on(asked: float) -> None:
    found = told(BAIDU, 429, asked)
    assert len(found) == schedule.ASKED + 177
    assert [pause for _, pause in found[:-1]] == [1.0] * schedule.ASKED + list(DECAY)


def test_eventbridge_knows_no_retry_after() -> None:
    assert Course(EXPONENTIAL, Random(1)).after(429, 7.0) == (Then.AGAIN, 1)


def test_nobody_is_held_off_for_more_than_a_day() -> None:
    assert len(told(BAIDU, 429, DAY / 4)) == 5
    assert told(BAIDU, 429, DAY + 1) == [(Then.LOST, 0)]


@given(
    st.sampled_from(POLICIES),
    st.lists(
        st.tuples(st.sampled_from([204, 429, 503, None]), st.none() | st.floats(0, 10_000)), max_size=400
    ),
    st.integers(),
)
def test_whatever_is_answered_it_ends_within_a_day(
    policy: Policy, answers: list[tuple[int | None, float | None]], seed: int
) -> None:
    course, waited = Course(policy, Random(seed)), 0.0
    for status, after in answers:
        then, pause = course.after(status, after)
        if then is Then.LOST:
            break
        waited += pause
    assert waited <= DAY
