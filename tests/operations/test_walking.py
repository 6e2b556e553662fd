from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.operations.walking import LEEWAY, STRETCH, newest_first, window
from router.store.base import Store, Stored
from router.store.memory import MemoryStore
from tests.operations.archive import all_of, at, routed
from tests.support import HandClock

pytestmark = pytest.mark.anyio

LIVES = st.lists(
    st.tuples(st.integers(1, 3 * STRETCH), st.sampled_from([0, 1, 7, 1_000, 10**9, 10**12])),
    min_size=1,
    max_size=5,
)
"""A store's lives: how many events each accepted, and how far the next one's sequences are off."""


class Archive(MemoryStore):
    """Counts the records that it hands out, and begins new lives.

    Attributes:
        read: how many records it handed out.
    """

    read = 0

    def skip(self, gap: int) -> None:
        """The next life begins so much later."""
        self._next += gap

    async def scan(
        self, first: int = 0, last: int | None = None, missed: Callable[[float], None] | None = None
    ) -> AsyncIterator[Stored]:
        async for stored in super().scan(first, last, missed):
            self.read += 1
            yield stored


@given(LIVES, st.floats(0, 1), st.floats(0, 1))
def test_the_way_back_is_the_way_there_reversed(
    lives: list[tuple[int, int]], from_: float, to: float
) -> None:
    async def walk() -> None:
        store = Archive(HandClock())
        for count, gap in lives:
            await store.append([routed(number) for number in range(count)])
            store.skip(gap)
        there = [stored.sequence async for stored in store.scan()]
        first = there[0] + int(from_ * (there[-1] - there[0]))
        last = there[0] + int(to * (there[-1] - there[0]))
        back = [stored.sequence async for stored in newest_first(store, first, last)]
        assert back == [sequence for sequence in reversed(there) if first <= sequence <= last]

    anyio.run(walk)


async def test_the_newest_of_many_are_found_without_reading_all_of_them() -> None:
    store = Archive(HandClock())
    await store.append([routed(number) for number in range(20_000)])
    store.skip(10**12)
    await store.append([routed(1)])
    walk = newest_first(store, 0, 10**16)
    newest = [(await anext(walk)).record.event.id for _ in range(10)]
    assert newest == ["1", *(str(number) for number in range(19_999, 19_990, -1))]
    assert store.read < 50 * STRETCH


async def test_a_window_holds_all_of_its_time(store: Store) -> None:
    times = [100.0, 200.0, 300.0, 250.0, 400.0, 400.0 + 2 * LEEWAY]
    sequences = await store.append([routed(number, received=when) for number, when in enumerate(times)])
    assert await window(store, None, None) == (sequences[0], sequences[-1])
    first, last = await window(store, at(250.0), at(260.0))
    assert first <= sequences[2]
    assert sequences[3] <= last
    first, _ = await window(store, at(350.0), None)
    assert first == sequences[4]
    first, last = await window(store, at(10**9), None)
    assert first > last


async def test_an_empty_archive(store: Store) -> None:
    first, last = await window(store, None, None)
    assert await all_of(newest_first(store, first, last)) == []
