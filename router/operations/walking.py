"""Ways through the archive: from when to when, and backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

from router.operations.moments import Moment, seconds_of
from router.store.base import Store, Stored

LEEWAY = 2 * 3600.0
"""Seconds by which a clock may have been set back between two events that are looked for by time."""

STRETCH = 200
"""Records that are held at once on the way back."""

_WIDER = 8


async def window(store: Store, since: Moment | None, until: Moment | None) -> tuple[int, int]:
    """The first and last sequence between which all events of a time stand; others may stand there, too."""
    extent = await store.extent()
    first, last = extent.first or 0, -1 if extent.last is None else extent.last
    if (from_ := seconds_of(since)) is not None:
        first = max(first, await store.first_at(from_))
    if (to := seconds_of(until)) is not None:
        last = min(last, await store.first_at(to + LEEWAY))
    return first, last


async def newest_first(store: Store, first: int, last: int) -> AsyncIterator[Stored]:
    """The records from sequence `first` to `last`, both included, the newest first.

    A store reads forwards, and its sequences have gaps of any length: each life of a store begins at its
    birth's time. So this takes stretches from the end, wider ones where there was little, and halves what
    holds too much at once.
    """
    width = STRETCH
    crowded: int | None = None  # from here to `last` there is too much
    while last >= first:
        start = max(first, last - width + 1) if crowded is None else (crowded + last + 1) // 2
        found = await _all_between(store, start, last)
        if found is None:
            crowded = start
            continue
        for stored in reversed(found):
            yield stored
        last = start - 1
        if crowded is None:
            width = width * _WIDER if len(found) < STRETCH // 2 else width
        elif crowded >= last:
            crowded, width = None, STRETCH


async def _all_between(store: Store, first: int, last: int) -> list[Stored] | None:
    """The records from `first` to `last`; None if they are more than may be held."""
    found: list[Stored] = []
    async for stored in store.scan(first, last):
        if len(found) == STRETCH:
            return None
        found.append(stored)
    return found
