"""What the bodies under way may hold together, over any course of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.web.body import Body, Budget, CrowdedError

MOST = 100
COURSES = st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 150))), max_size=60)
"""Whose turn it is; how many bytes more come in, or None where that request is answered."""


@given(COURSES)
def test_no_more_is_held_than_there_is_unless_by_one_alone(course: list[tuple[int, int | None]]) -> None:
    budget = Budget(MOST)
    held = [0] * 5
    for who, size in course:
        if size is None:
            budget.give_back(held[who])
            held[who] = 0
            continue
        others = sum(held) - held[who]
        if others and sum(held) + size > MOST:
            with pytest.raises(CrowdedError):
                budget.take(size, held[who])
        else:
            budget.take(size, held[who])
            held[who] += size


@pytest.mark.anyio
async def test_a_body_is_held_until_it_is_released_and_given_back_once() -> None:
    budget = Budget(MOST)
    first, second = Body(MOST, budget), Body(MOST, budget)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 60, "more_body": False}

    assert await first.read({}, receive) == b"x" * 60
    with pytest.raises(CrowdedError):
        await second.read({}, receive)
    second.release()
    first.release()
    first.release()
    assert await second.read({}, receive) == b"x" * 60
    with pytest.raises(CrowdedError):
        await first.read({}, receive)
