"""Gathers what requests bring, so that one commit serves many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import accumulate

import structlog

from router.store.base import Record, Store, StoreError

PACE = 0.002
"""Seconds from the beginning of one group to that of the next, while senders come together.

A commit of one event costs ten times its part in a commit of fifty, in processor time. Whoever sends one
event after another, each after the last one's answer, never waits for it."""

MOST = 1_000
"""How many records a group takes before it is closed; one request may bring more than is left of them."""

Stored = Callable[[Sequence[int] | Exception], None]
"""Told the sequences of records, on disk now; or why nothing of them is stored: a StoreError, or a fault."""

_Request = tuple[Sequence[Record], Stored]

log = structlog.stdlib.get_logger(__name__)


class Intake:
    """In front of a store's `append`: one group is on its way to the disk, and the next one gathers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._gathered: list[_Request] = []
        self._committing: asyncio.Task[None] | None = None
        self._busy = False

    def put(self, records: Sequence[Record], stored: Stored) -> None:
        """Store these records together; `stored` is called once, on the event loop, not from in here."""
        self._gathered.append((records, stored))
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        size = count = 0
        for records, _ in self._gathered:
            count += 1
            size += len(records)
            if size >= MOST:
                break
        group, self._gathered = self._gathered[:count], self._gathered[count:]
        self._committing = asyncio.get_running_loop().create_task(self._commit(group))

    async def _commit(self, group: Sequence[_Request]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await self._outcomes(group)
        if not self._gathered:
            self._busy = False
        elif len(self._gathered) >= MOST:
            loop.call_soon(self._begin)
        else:  # others came meanwhile, so more will come soon
            loop.call_at(began + PACE, self._begin)
        for (records, stored), outcome in zip(group, outcomes, strict=True):
            try:
                stored(outcome)
            except Exception:  # one sender's answer is no other's business
                log.exception("store.untold", events=len(records))

    async def _outcomes(self, group: Sequence[_Request]) -> Sequence[Sequence[int] | Exception]:
        try:
            sequences = await self._store.append([record for records, _ in group for record in records])
        except StoreError as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 -- whatever it is: who waits must be told
            if len(group) == 1:
                return [error]
            # Whose records they were, nobody knows: each request by itself, and one of them fails.
            return [outcome for request in group for outcome in await self._outcomes([request])]
        ends = list(accumulate(len(records) for records, _ in group))
        return [sequences[end - len(records) : end] for (records, _), end in zip(group, ends, strict=True)]
