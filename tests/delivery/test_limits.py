"""The token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.limits import BURST, Bucket

NOW = 1_800_000_000.0


def test_a_burst_may_begin_at_once_and_then_one_after_another() -> None:
    bucket = Bucket(50.0)
    assert bucket.take(100, NOW) == 6
    assert bucket.take(100, NOW) == 0
    assert bucket.wait() == pytest.approx(0.02)
    assert bucket.take(100, NOW + 0.021) == 1
    assert bucket.take(100, NOW + 3600) == 6


def test_few_an_hour_begin_with_one() -> None:
    bucket = Bucket(5 / 3600)
    assert [bucket.take(1, NOW), bucket.take(1, NOW + 719)] == [1, 0]
    assert bucket.wait() == pytest.approx(0.9)
    assert bucket.take(1, NOW + 721) == 1


def test_what_is_not_used_is_there_for_the_next() -> None:
    bucket = Bucket(100.0)
    assert bucket.take(8, NOW) == 8
    bucket.give_back(7)
    assert bucket.take(100, NOW) == 10
    bucket.give_back(1000)
    assert bucket.take(100, NOW) == 11


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(10.0)
    assert bucket.take(2, NOW) == 2
    assert [bucket.take(1, NOW - 5), bucket.take(1, NOW - 4.95)] == [0, 0]


@given(
    rate=st.floats(0.001, 1e5),
    calls=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 1000)), max_size=60),
)
def test_over_any_time_no_more_than_the_rate_and_a_burst(rate: float, calls: list[tuple[float, int]]) -> None:
    bucket = Bucket(rate)
    now, given_out = NOW, []
    for pause, most in calls:
        now += pause
        given_out.append((now, bucket.take(most, now)))
        assert given_out[-1][1] <= most
    for index, (began, _) in enumerate(given_out):
        total = 0
        for ended, count in given_out[index:]:
            total += count
            assert total <= rate * (ended - began) + 1.0 + rate * BURST + 0.1


@given(rate=st.floats(0.001, 1e5))
def test_after_the_wait_there_is_one(rate: float) -> None:
    bucket = Bucket(rate)
    while bucket.take(1_000_000, NOW):
        pass
    assert bucket.take(1, NOW + bucket.wait() + 0.001) == 1
