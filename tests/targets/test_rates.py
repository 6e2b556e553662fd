"""Rates as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.targets.rates import per_second


@given(st.integers(1, 999_999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600)]))
def test_a_rate_is_so_many_in_a_time(count: int, unit: tuple[str, int]) -> None:
    letter, seconds = unit
    assert per_second(f"{count}/{letter}") * seconds == pytest.approx(count)


@pytest.mark.parametrize("text", ["", "50", "/s", "50/", "50/d", "50 / s", "-1/s", "1.5/s", "50/s ", "٣/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate: write 50/s, 100/m or 1000/h"):
        per_second(text)


def test_nothing_at_all_is_no_rate() -> None:
    with pytest.raises(ValueError, match="would let nothing through"):
        per_second("0/m")
