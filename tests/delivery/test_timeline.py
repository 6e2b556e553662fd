"""The engine's time, under a wall clock that is set."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.timeline import EXACT, LEAN, Timeline, leaning
from tests.delivery.clock import JumpingClock

pytestmark = pytest.mark.anyio

HOUR = 3600.0


def test_it_shows_what_the_wall_clock_shows() -> None:
    clock = JumpingClock()
    time = Timeline(clock)
    for seconds in (0.0, 0.25, 60.0, 1e6):
        clock.advance(seconds)
        assert time.now() == clock.now()


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_an_hour_is_made_up_for_in_a_hundred(jump: float) -> None:
    clock = JumpingClock()
    time = Timeline(clock)
    clock.jump(jump)
    began = time.now()
    assert began == clock.now() - jump
    clock.advance(50 * HOUR)
    assert time.now() - began == pytest.approx(50 * HOUR + jump / 2)
    clock.advance(50 * HOUR + 1)
    assert time.now() == clock.now()


@given(
    start=st.floats(0, 4e9),
    steps=st.lists(st.tuples(st.floats(0, 1e5), st.floats(-1e6, 1e3)), max_size=20),
)
def test_it_never_jumps_and_is_never_far_from_time_itself(
    start: float, steps: list[tuple[float, float]]
) -> None:
    now = wall = start
    for passed, jump in steps:
        wall += passed + jump
        before, now = now, leaning(now, passed, wall)
        slack = LEAN * passed + 2 * EXACT
        assert before <= now
        assert passed - slack <= now - before <= passed + slack
        nearer = abs(wall - now) <= abs(wall - (before + passed)) + 2 * EXACT
        assert nearer


async def test_a_wait_is_as_long_as_it_was_meant_to_be_whatever_the_wall_clock_does() -> None:
    for jump in (HOUR, -HOUR):
        clock = JumpingClock()
        time = Timeline(clock)
        until = time.now() + 100.0
        over = anyio.Event()

        async def wait(time: Timeline = time, until: float = until, over: anyio.Event = over) -> None:
            await time.sleep_until(until)
            over.set()

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            clock.jump(jump)
            clock.advance(98.0)
            await anyio.wait_all_tasks_blocked()
            assert not over.is_set()
            clock.advance(4.0)
            with anyio.fail_after(5):
                await over.wait()
        assert time.now() >= until


def test_a_clock_that_had_not_been_set_yet_is_followed_at_once() -> None:
    clock = JumpingClock(0.0)
    time = Timeline(clock)
    clock.jump(1.8e9)
    assert time.now() == 1.8e9
    clock.jump(-1.8e9)
    clock.advance(10.0)
    assert time.now() == pytest.approx(1.8e9 + 9.9)


async def test_who_has_slept_until_a_time_is_there() -> None:
    clock = JumpingClock()
    time = Timeline(clock)
    soon = time.now() + EXACT / 2
    await time.sleep_until(soon)
    assert time.now() >= soon


def test_it_begins_where_it_was_already() -> None:
    clock = JumpingClock()
    time = Timeline(clock)
    time.not_before(clock.now() + HOUR)
    assert time.now() == clock.now() + HOUR
    time.not_before(clock.now())
    assert time.now() == clock.now() + HOUR
