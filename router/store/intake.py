"""Gathers what requests bring, so that one commit serves many of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from router.store.base import Record, Store, StoreError

PACE = 0.002
"""Seconds from the beginning of one group to that of the next, while senders come together.

A commit of one event costs ten times its part in a commit of fifty, in processor time. Whoever sends one
event after another, each after the last one's answer, never waits for it."""

MOST = 1_000
"""How many records a group takes before it is closed; one request may bring more than is left of them."""

Answered = Callable[[Exception | None], None]
"""Told what became of a request: None when all of it is on disk, and when nothing of it is, a StoreError
or a fault of the router's own."""

_Request = tuple[Sequence[Record], Answered]

_Outcome = tuple[Sequence[_Request], Sequence[int] | Exception]
"""Requests that were stored together, and their records' sequences; or why nothing of them is stored."""

log = structlog.stdlib.get_logger(__name__)


class Listener(Protocol):
    """Who is told what becomes of records, before those who sent them. It must be quick."""

    def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """These are on disk."""
        ...

    def failed(self, error: Exception, records: Sequence[Record], requests: int) -> None:
        """These, of so many requests, are not, and will not be: a StoreError, or a fault of the router's."""
        ...


class Group:
    """What is stored together. Hardly ever does anybody but its senders wait for one."""

    __slots__ = ("_ended", "_waiting", "requests", "size")

    def __init__(self) -> None:
        self.requests: list[_Request] = []
        self.size = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._ended = False

    async def wait(self) -> None:
        """Return when its records are on disk, or will not be."""
        if not self._ended:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def end(self) -> None:
        """It is known what became of all of them."""
        self._ended = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


class Intake:
    """In front of a store's `append`: one group is on its way to the disk, and the next one gathers."""

    def __init__(self, store: Store, listener: Listener) -> None:
        self._store = store
        self._listener = listener
        self._gathering = Group()
        self._full: deque[Group] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._busy = False

    def put(self, records: Sequence[Record], answered: Answered) -> Group:
        """Store these records together; `answered` is called once, on the event loop, not from in here.

        Returns:
            what they are stored with.
        """
        group = self._gathering
        group.requests.append((records, answered))
        group.size += len(records)
        if group.size >= MOST:
            self._full.append(group)
            self._gathering = Group()
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._begin)
        return group

    def _begin(self) -> None:
        if self._full:
            group = self._full.popleft()
        else:
            group, self._gathering = self._gathering, Group()
        self._committing = asyncio.get_running_loop().create_task(self._commit(group))

    async def _commit(self, group: Group) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await self._outcomes(group.requests)
        if self._full:
            loop.call_soon(self._begin)
        elif self._gathering.requests:  # others came meanwhile, so more will come soon
            loop.call_at(began + PACE, self._begin)
        else:
            self._busy = False
        for requests, outcome in outcomes:
            self._tell(requests, outcome)
        group.end()

    async def _outcomes(self, requests: Sequence[_Request]) -> list[_Outcome]:
        try:
            return [(requests, await self._store.append(_records_of(requests)))]
        except StoreError as error:
            return [(requests, error)]
        except Exception as error:  # noqa: BLE001 -- whatever it is: who waits must be told
            if len(requests) == 1:
                return [(requests, error)]
            # Whose records they were, nobody knows: each request by itself, and one of them fails.
            return [outcome for request in requests for outcome in await self._outcomes([request])]

    def _tell(self, requests: Sequence[_Request], outcome: Sequence[int] | Exception) -> None:
        error = None
        try:
            if isinstance(outcome, Exception):
                error = outcome
                self._listener.failed(error, _records_of(requests), len(requests))
            else:
                self._listener.stored(outcome, _records_of(requests))
        except Exception:  # what is on disk is accepted, whatever a listener thinks of it
            log.exception("store.unheard")
        for records, answered in requests:
            try:
                answered(error)
            except Exception:  # one sender's answer is no other's business
                log.exception("store.untold", events=len(records))


def _records_of(requests: Sequence[_Request]) -> list[Record]:
    return [record for records, _ in requests for record in records]
