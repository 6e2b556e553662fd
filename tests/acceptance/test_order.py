"""The judge of order itself: it sees each way in which the order of a key can be broken, and nothing else."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acceptance.harness.order import Arrival, wrong


def came(text: str) -> list[Arrival]:
    """Arrivals as they are shown: numbers, a bar for each crash, a question mark for what was not taken."""
    life, arrivals = 1, list[Arrival]()
    for word in text.split():
        if word == "|":
            life += 1
        else:
            arrivals.append(
                Arrival(int(word.rstrip("?")), life, f"a-fault, round {life}", kept="?" not in word)
            )
    return arrivals


OWED = range(1, 5)


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4",
        "1 1 2 3 3 3 4",
        "1 2 | 2 3 4",
        "1 2 | 3 4",
        "1 2 | 2 | 2 2 3 4 | 4",
        "1? 1? 1 2 3? | 3 4",
        "1 2 3? | 3? | 3 4",
        "1 2 3 4 5",
    ],
)
def test_what_is_promised_is_no_finding(text: str) -> None:
    assert wrong(came(text), OWED) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1 3 2 4", "2 came after 3 (a-fault, round 1): expected 1 2 3 4, found 1 3 2 4"),
        ("1 2 4", "3 never came (a-fault, round 1): expected 1 2 3 4, found 1 2 4"),
        ("1 2 3", "4 never came (a-fault, round 1): expected 1 2 3 4, found 1 2 3"),
        ("", "1 never came (no arrival): expected 1, found "),
        ("1 2 3 2 4", "2 came again after 3 (a-fault, round 1): expected 1 2 3 4, found 1 2 3 2 4"),
        ("1 2 3 | 2 3 4", "2 came again after 3 (a-fault, round 2): expected 1 2 3 4, found 1 2 3 | 2 3 4"),
        ("1 2 | 3 2 4", "2 came again after 3 (a-fault, round 2): expected 1 2 3 4, found 1 2 | 3 2 4"),
        ("1 2 | 3? 2 3 4", "2 came again after 3 (a-fault, round 2): expected 1 2 3 4, found 1 2 | 3? 2 3 4"),
        ("1 2 | 2 3 2 4", "2 came again after 3 (a-fault, round 2): expected 1 2 3 4, found 1 2 | 2 3 2 4"),
        ("1 2? 3 2 4", "3 came before 2 was taken (a-fault, round 1): expected 1 2 3 4, found 1 2? 3 2 4"),
        (
            "1 2? | 3 2 4",
            "3 came before 2 was taken (a-fault, round 2): expected 1 2 3 4, found 1 2? | 3 2 4",
        ),
        ("1 3 | 2 3 4", "2 came after 3 (a-fault, round 2): expected 1 2 3 4, found 1 3 | 2 3 4"),
    ],
    ids=[
        "swapped",
        "missing",
        "last",
        "all",
        "later",
        "repeated-by-a-crash",
        "repeated-after-a-crash",
        "repeated-by-a-crash-after-one-that-was-not-taken",
        "later-after-a-crash",
        "too-early",
        "too-early-in-the-next-life",
        "over-a-crash",
    ],
)
def test_what_is_not_promised_is_told_with_its_place(text: str, what: str) -> None:
    assert wrong(came(text), OWED)[0] == what


def test_what_was_never_answered_may_come_in_its_place_and_there_only() -> None:
    assert wrong(came("1 2 3"), {1, 3}) == []
    assert wrong(came("1 3 2"), {1, 3}) != []


@given(st.permutations(range(1, 7)))
def test_of_all_orders_one_is_right(numbers: list[int]) -> None:
    arrivals = [Arrival(number) for number in numbers]
    assert (wrong(arrivals, numbers) == []) == (numbers == sorted(numbers))


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1))), st.sets(st.integers(1, 6)))
def test_over_all_lives_right_is_what_never_falls_and_lacks_nothing(
    came: list[tuple[int, int]], owed: set[int]
) -> None:
    numbers = [number for number, _ in came]
    lives = accumulate((crashes for _, crashes in came), initial=1)
    arrivals = [Arrival(number, life) for number, life in zip(numbers, lives, strict=False)]
    assert (wrong(arrivals, owed) == []) == (numbers == sorted(numbers) and owed <= set(numbers))
