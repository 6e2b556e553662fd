"""Many fingerprints in little memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.fingerprints import SIZE, Fingerprint, Fingerprints

ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 2**62), st.floats(0, 4e9, allow_nan=False), st.binary(min_size=SIZE, max_size=SIZE)
    )
)


@given(ENTRIES, st.slices(10))
def test_it_is_a_row_like_any_other(entries: list[Fingerprint], part: slice) -> None:
    found: Sequence[Fingerprint] = Fingerprints(entries)
    assert len(found) == len(entries)
    assert list(found) == entries
    assert list(reversed(found)) == entries[::-1]
    assert list(found[part]) == entries[part]
    if entries:
        assert found[-1] == entries[-1]


def test_beyond_its_end_is_nothing() -> None:
    with pytest.raises(IndexError):
        Fingerprints([(1, 2.0, bytes(SIZE))])[1]


def test_it_is_small() -> None:
    found = Fingerprints((number, float(number), bytes(SIZE)) for number in range(100_000))
    parts = [getattr(found, name) for name in Fingerprints.__slots__]
    assert sum(map(sys.getsizeof, parts)) < 100_000 * 40
