"""The one interface for operators: a desk over a store keeps it, and whoever reaches a desk from afar."""

from __future__ import annotations

from typing import Protocol

from router.operations.answers import (
    Changed,
    DeliveryPage,
    DeliveryTold,
    EventPage,
    EventTold,
    ReplayList,
    ReplayTold,
    Status,
)
from router.operations.questions import DeliveryQuery, Drop, EventQuery, ListQuery, Redrive, ReplayQuery


class Operations(Protocol):
    """What an operator can ask and do.

    Every method raises a `router.errors.MessageError` for what cannot be asked like this (one of
    `router.operations.errors` where the message came no further than here), and a
    `router.store.base.StoreError` for what the store cannot do now.
    """

    async def status(self) -> Status:
        """How the router and its targets fare."""
        ...

    async def events(self, query: EventQuery) -> EventPage:
        """A page of accepted events."""
        ...

    async def event(self, sequence: int) -> EventTold:
        """One event and what became of it."""
        ...

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries that are not made yet, or dead."""
        ...

    async def delivery(self, id_: str) -> DeliveryTold:
        """One delivery and all its attempts; also one that was made."""
        ...

    async def redrive(self, change: Redrive) -> Changed:
        """Make dead deliveries again, or make what waits elsewhere."""
        ...

    async def drop(self, change: Drop) -> Changed:
        """Never make these deliveries."""
        ...

    async def replay(self, query: ReplayQuery) -> ReplayTold:
        """Begin to send archived events through the rules again."""
        ...

    async def replays(self, query: ListQuery) -> ReplayList:
        """The replays since the start, oldest first."""
        ...

    async def replay_named(self, name: str) -> ReplayTold:
        """How far a replay is."""
        ...

    async def stop_replay(self, name: str) -> ReplayTold:
        """End a replay before its time; what it has replayed stays so."""
        ...
