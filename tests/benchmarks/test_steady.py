"""The steady-state benchmark tells a router that grows from one that has filled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.steady import LOG_MOST, Look, grown

FLAT = Look(
    minutes=1.0,
    memory=100_000_000,
    files=100,
    logs=8_000_000,
    disk=90_000_000,
    cost=1e-4,
    accept_p99=0.01,
    deliver_p99=0.01,
)


def looks(at: Callable[[int], Look]) -> list[Look]:
    return [at(number) for number in range(30)]


def test_what_fills_at_first_and_then_stays_has_not_grown() -> None:
    assert grown(looks(lambda n: replace(FLAT, memory=min(n, 10) * 10_000_000, files=100 + n % 20))) == []


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (
            lambda n: replace(FLAT, memory=100_000_000 + n * 1_000_000),
            "its memory grows: 119.0 MB, then 129.0 MB",
        ),
        (lambda n: replace(FLAT, files=100 + n * 4), "its open files grow: 176, then 216"),
        (lambda n: replace(FLAT, logs=int(LOG_MOST) + n), "its databases' logs have 64.0 MB"),
    ],
)
def test_what_grows_is_told(at: Callable[[int], Look], said: str) -> None:
    assert grown(looks(at)) == [said]


def test_two_looks_say_nothing() -> None:
    assert grown([FLAT, FLAT]) == ["it was not watched for long enough"]
