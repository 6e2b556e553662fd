"""How often the log says the same thing: enough to be noticed, never enough to fill a disk."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.quota import MINUTE, Quota
from tests.support import HandClock

Key = tuple[str, int]


def asked(quota: Quota[Key], key: Key, times: int) -> int:
    """How many of so many lines were admitted."""
    return sum(quota.admits(key) for _ in range(times))


def test_so_many_lines_a_minute_and_then_a_count() -> None:
    clock = HandClock()
    quota: Quota[Key] = Quota(clock, most=3)
    assert asked(quota, ("events", 400), 3) == 3
    assert not quota.owes
    assert asked(quota, ("events", 400), 5) == 0
    assert quota.owes
    clock.advance(MINUTE - 1)
    assert quota.ended() == {}
    clock.advance(1)
    assert quota.ended() == {("events", 400): 5}
    assert quota.ended() == {}
    assert not quota.owes
    assert asked(quota, ("events", 400), 5) == 3


def test_every_source_and_every_status_has_lines_of_its_own() -> None:
    quota: Quota[Key] = Quota(HandClock(), most=2)
    for key in (("events", 400), ("events", 413), ("baidu", 400), ("", 404)):
        assert asked(quota, key, 9) == 2


def test_a_minute_begins_with_its_first_line() -> None:
    clock = HandClock()
    quota: Quota[Key] = Quota(clock, most=2)
    assert asked(quota, ("events", 400), 1) == 1
    clock.advance(MINUTE - 1)
    assert asked(quota, ("events", 400), 2) == 1
    clock.advance(1)
    assert asked(quota, ("events", 400), 3) == 2


def test_a_clock_that_is_set_back_ends_the_minute() -> None:
    clock = HandClock()
    quota: Quota[Key] = Quota(clock, most=1)
    assert asked(quota, ("events", 400), 2) == 1
    clock.advance(-3600)
    assert quota.ended() == {("events", 400): 1}
    assert asked(quota, ("events", 400), 2) == 1


KEYS = st.tuples(st.sampled_from(["", "events", "baidu"]), st.sampled_from([400, 404]))


@given(st.lists(st.tuples(KEYS, st.integers(0, 30))))
def test_every_line_is_written_or_counted_and_never_too_many(steps: list[tuple[Key, int]]) -> None:
    clock = HandClock(0)
    quota: Quota[Key] = Quota(clock, most=2)
    written: list[tuple[Key, float]] = []
    told: Counter[Key] = Counter()
    for key, seconds in steps:
        clock.advance(seconds)
        told.update(quota.ended())
        if quota.admits(key):
            written.append((key, clock.now()))
    clock.advance(MINUTE)
    told.update(quota.ended())
    assert not quota.owes
    assert Counter(key for key, _ in written) + told == Counter(key for key, _ in steps)
    for index, (key, at) in enumerate(written):
        # A minute may begin anywhere, so that two of them may touch.
        assert sum(other == key and at <= then < at + MINUTE for other, then in written[index:]) <= 2 * 2
