"""Accept, match, store; and render what is delivered. The one place where a request becomes deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from router.clock import Clock
from router.delivery.engine import UnrenderableError
from router.errors import MessageError
from router.events.received import Received
from router.rules.load import transforms_of
from router.rules.model import Deployment
from router.store.base import Delivery, Record, Settlement, Store, StoreError
from router.targets.base import Body
from router.transforms import Transform

log = structlog.stdlib.get_logger(__name__)


class Observer(Protocol):
    """Who is told what happens. Called on the event loop, after the commit; it must be quick."""

    def accepted(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """These are on disk."""
        ...

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """What became of these is on disk."""
        ...


class Silent:
    """Nobody watches."""

    def accepted(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `Observer.accepted`."""

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """See `Observer.settled`."""


class Service:
    """What a running router does with requests and deliveries."""

    def __init__(self, *, store: Store, deployment: Deployment, clock: Clock, observer: Observer) -> None:
        self._store = store
        self._deployment = deployment
        self._clock = clock
        self._observer = observer
        self._transforms: dict[str, dict[str, Transform]] = {}
        self._turned_away = 0

    async def open(self) -> None:
        """Keep the text of the configuration, so that what it routed can be rendered by it for ever."""
        await self._store.remember(self._deployment.version, self._deployment.text)

    async def accept(self, source: str, received: Received) -> None:
        """Route what a source has read, and return once all of it is on disk.

        Raises:
            router.store.base.StoreError: nothing of it was stored.
        """
        if not received.readings:
            return
        now = self._clock.now()
        records = [
            Record(
                event=reading.event,
                source=source,
                received=now,
                version=self._deployment.version,
                routes=self._deployment.route(reading.event, _where_failed),
                notes=reading.notes,
                original=received.original,
            )
            for reading in received.readings
        ]
        try:
            sequences = await self._store.append(records)
        except StoreError as error:
            if not self._turned_away:  # said once: the log may well stand on the disk that is full
                log.error("store.failing", error=error.message)
            self._turned_away += 1
            raise
        if self._turned_away:
            log.info("store.recovered", turned_away=self._turned_away)
            self._turned_away = 0
        self._observer.accepted(sequences, records)

    async def render(self, delivery: Delivery) -> Body | None:
        """The body that the configuration which routed this delivery asks for.

        Raises:
            UnrenderableError: the transform fails on this event, now and ever.
            Exception: the transform cannot be had now: try again.
        """
        if not delivery.variant:
            return None
        transform = (await self._transforms_of(delivery.version)).get(delivery.variant)
        if transform is None:
            raise LookupError(
                f"the transform {delivery.variant} of configuration {delivery.version} is not in the store"
            )
        try:
            rendered = transform.render(delivery.event)
        except MessageError as error:
            raise UnrenderableError(f"the transform failed: {error.message}") from error
        return Body(rendered.content, rendered.content_type)

    async def _transforms_of(self, version: str) -> dict[str, Transform]:
        if (known := self._transforms.get(version)) is not None:
            return known
        text = await self._store.recall(version)
        transforms = {} if text is None else dict(transforms_of(text))
        self._transforms[version] = transforms
        return transforms


def _where_failed(rule: str, why: str) -> None:
    log.warning("rule.where_failed", rule=rule, error=why)
