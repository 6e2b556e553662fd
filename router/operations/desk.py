"""The desk where operators are served: `router.operations.base.Operations` over a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import msgspec
import structlog

from router.clock import Clock
from router.config.names import QUARANTINE
from router.delivery.breaker import Breaker
from router.operations import deliveries, events, order, status
from router.operations.answers import (
    Changed,
    DeliveryPage,
    DeliverySummary,
    DeliveryTold,
    EventPage,
    EventTold,
    ReplayList,
    ReplayTold,
    SourceStatus,
    Status,
)
from router.operations.errors import AskedWrongError
from router.operations.names import check_known
from router.operations.questions import DeliveryQuery, Drop, EventQuery, ListQuery, Redrive, ReplayQuery
from router.operations.replays import Replays
from router.rules.model import Deployment
from router.store.base import Record, Store

SHOWN = 20
"""Ids that the log shows of those that an operator has named."""

log = structlog.stdlib.get_logger(__name__)

D = TypeVar("D", bound=DeliverySummary)

OFFLINE = 10_000
"""Events that one replay stores while no router runs: they are all first in line at the next start."""


@dataclass(frozen=True, slots=True)
class Live:
    """What a running router knows beside its store.

    Attributes:
        conditions: how each target fares.
        complaints: why senders are turned away; empty if they are not.
        accepted: to be told what was stored.
        redriven: to be told that deliveries have come to be due.
        now: the time by which retries are due, seconds since the epoch.
        sources: what came to each source.
        refused: why it does not run what is in the files now; empty where it does.
    """

    conditions: Callable[[], Mapping[str, Breaker]]
    complaints: Callable[[], Sequence[str]]
    accepted: Callable[[Sequence[int], Sequence[Record]], None]
    redriven: Callable[[], None]
    now: Callable[[], float]
    sources: Callable[[], Sequence[SourceStatus]]
    refused: Callable[[], str]


class Desk:
    """See `router.operations.base.Operations`. Serves as long as its context is open.

    Args:
        deployment: what the router routes by now; None where nobody knows.
        live: None where no router runs.
    """

    def __init__(
        self, store: Store, clock: Clock, deployment: Callable[[], Deployment | None], live: Live | None
    ) -> None:
        self.store = store
        self.clock = clock
        self._deployment = deployment
        self._live = live
        self._replays = Replays(self)

    async def __aenter__(self) -> Self:
        await self._replays.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._replays.__aexit__()

    def close(self) -> None:
        """End what goes on here."""
        self._replays.stop_all("the router ended")

    # -- questions ----------------------------------------------------------------------------------------

    async def status(self) -> Status:
        """See `Operations.status`."""
        live = self._live
        conditions = None if live is None else live.conditions()
        deployment = self._deployment()
        found = await status.look(self.store, deployment, conditions, self.complaints(), self._now())
        if live is None:
            return found
        return msgspec.structs.replace(found, sources=tuple(live.sources()), refused=live.refused())

    async def events(self, query: EventQuery) -> EventPage:
        """See `Operations.events`."""
        found = await events.page(self.store, query)
        if not (found.events or found.next or query.after):
            await self._check_names(query.target)
        return found

    async def event(self, sequence: int) -> EventTold:
        """See `Operations.event`."""
        told = await events.show(self.store, sequence)
        return msgspec.structs.replace(told, deliveries=await self._marked(told.deliveries))

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """See `Operations.deliveries`."""
        found = await deliveries.page(self.store, query)
        if not (found.deliveries or found.next or query.after):
            await self._check_names(query.target, query.rule)
        return DeliveryPage(deliveries=await self._marked(found.deliveries), next=found.next)

    async def delivery(self, id_: str) -> DeliveryTold:
        """See `Operations.delivery`."""
        told = await deliveries.show(self.store, id_)
        return (await self._marked([told]))[0]

    async def _marked(self, listed: Iterable[D]) -> tuple[D, ...]:
        """Deliveries of a list with what they wait for."""
        marked = await order.marked(self.store, self._deployment(), listed)
        return marked if self._live is None else status.paused(marked, self._live.conditions(), self._now())

    def _now(self) -> float:
        """The time by which retries are due, seconds since the epoch."""
        return self.clock.now() if self._live is None else self._live.now()

    # -- changes ------------------------------------------------------------------------------------------

    async def redrive(self, change: Redrive) -> Changed:
        """See `Operations.redrive`."""
        deployment = self._deployment()
        targets = None if deployment is None else deployment.targets.keys()
        changed = await deliveries.redrive(self.store, change, self._now(), targets)
        await self._check_change(change, changed)
        if self._live is not None:
            self._live.redriven()
        self._note("deliveries.redriven", change, changed)
        return changed

    async def drop(self, change: Drop) -> Changed:
        """See `Operations.drop`."""
        changed = await deliveries.drop(self.store, change)
        await self._check_change(change, changed)
        self._note("deliveries.dropped", change, changed)
        return changed

    def _note(self, what: str, change: Drop, changed: Changed) -> None:
        """Say in the log what an operator has done; what a command does by itself, it says itself."""
        if self._live is not None and changed.count and not change.dry:
            log.info(what, count=changed.count, targets=changed.targets, asked=_asked(change))

    async def _check_change(self, change: Drop, changed: Changed) -> None:
        if not (changed.count or changed.left or changed.next or change.after):
            await self._check_names(change.target, change.rule)

    async def _check_names(self, target: str | None, rule: str | None = None) -> None:
        """Where nothing fits, it may be for a misspelt name.

        Raises:
            NotThereError: there is no such target or rule today, and of the target no delivery either.
        """
        deployment = self._deployment()
        if deployment is not None and (target or rule):
            check_known("target", target, [*deployment.targets, QUARANTINE, *await self.store.tally()])
            check_known("rule", rule, [one.name for one in deployment.rules])

    async def replay(self, query: ReplayQuery) -> ReplayTold:
        """See `Operations.replay`."""
        return await self._replays.begin(query)

    async def replays(self, query: ListQuery) -> ReplayList:
        """See `Operations.replays`."""
        return self._replays.page(query)

    async def replay_named(self, name: str) -> ReplayTold:
        """See `Operations.replay_named`."""
        return self._replays.named(name)

    async def stop_replay(self, name: str) -> ReplayTold:
        """See `Operations.stop_replay`."""
        return self._replays.stop(name)

    # -- what replays stand on: `router.operations.replay.Ground` -----------------------------------------

    @property
    def most(self) -> int | None:
        """See `Ground.most`."""
        return OFFLINE if self._live is None else None

    def deployment(self) -> Deployment:
        """See `Ground.deployment`."""
        deployment = self._deployment()
        if deployment is None:
            raise AskedWrongError("a replay goes through today's rules; name the deployment's folder")
        return deployment

    def complaints(self) -> Sequence[str]:
        """See `Ground.complaints`."""
        return () if self._live is None else self._live.complaints()

    def accepted(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `Ground.accepted`."""
        if self._live is not None:
            self._live.accepted(sequences, records)


def _asked(change: Drop) -> dict[str, Any]:
    """What was asked for: only what was said, and not more than the first of many ids."""
    said = {name: value for name, value in msgspec.structs.asdict(change).items() if value}
    return said | ({"ids": change.ids[:SHOWN]} if change.ids else {})
