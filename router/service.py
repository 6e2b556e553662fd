"""Accept, match, store; and render what is delivered. The one place where a request becomes deliveries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import structlog

from router.clock import Clock
from router.delivery.engine import UnrenderableError
from router.duplicates.sieve import Sieve
from router.errors import MessageError
from router.events import Event
from router.events.fingerprint import fingerprint
from router.events.received import Received
from router.rules.load import transforms_of
from router.rules.model import Deployment
from router.store.base import Delivery, Record, Route, Settlement, Store, StoreError
from router.store.intake import Answered
from router.targets.base import Body
from router.telemetry.quota import Quota
from router.transforms import Transform
from router.upkeep import Upkeep

PAUSE = 5.0
"""Seconds between two looks at a store that failed."""

CALM = 1.0
"""Seconds without a failure after which a store counts as recovered: on a full disk small groups still fit
where large ones do not, and /readyz must not go to and fro."""

_OVERHEAD = 300
"""Bytes of an event beside its payload: attributes, routes, places in the database."""

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

    def __init__(
        self,
        *,
        store: Store,
        sieve: Sieve,
        upkeep: Upkeep,
        deployment: Deployment,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._store = store
        self._sieve = sieve
        sieve.listener = self
        self._upkeep = upkeep
        self._deployment = deployment
        self._clock = clock
        self._observer = observer
        self._transforms: dict[str, dict[str, Transform]] = {}
        self._turned_away = 0
        self._failure = ""
        self._failed = 0.0
        self._quota: Quota[str] = Quota(clock)

    async def use(self, deployment: Deployment) -> None:
        """Route by this configuration from now on, and keep its text: what it routed is rendered by it.

        Raises:
            router.store.base.StoreError: the text cannot be kept; the configuration is as it was.
        """
        await self._store.remember(deployment.version, deployment.text)
        self._deployment = deployment

    async def watch(self) -> None:
        """Find out, for ever, when a store that failed works again: who heeds /readyz sends nobody to try."""
        while True:
            await self._clock.sleep_until(self._clock.now() + PAUSE)
            if self._turned_away:
                with contextlib.suppress(StoreError):
                    await self._store.probe()
                    self._note_recovery()

    def complaints(self) -> list[str]:
        """Why senders are turned away now; empty where they are not."""
        found = [self._failure] if self._turned_away else []
        if (full := self._upkeep.complaint()) is not None:
            found.append(full)
        return found

    def go_back(self, deployment: Deployment) -> None:
        """Route by a configuration that was used before."""
        self._deployment = deployment

    async def accept(self, source: str, received: Received, *, patient: bool = True) -> None:
        """As `offer`, but wait for it. Cancelling the wait takes nothing back.

        Raises:
            router.store.base.StoreError: nothing of it was stored.
        """
        future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

        def answered(error: Exception | None) -> None:
            if not future.done():
                future.set_result(error)

        self.offer(source, received, answered, patient=patient)
        if (error := await future) is not None:
            raise error

    def offer(
        self,
        source: str,
        received: Received,
        answered: Answered,
        *,
        patient: bool = True,
        beside: tuple[Route, ...] = (),
    ) -> None:
        """Route what a source has read, and store it.

        Args:
            source: its name.
            received: what it has read.
            answered: called once, on the event loop, when all of it is on disk or nothing of it will be;
                perhaps from in here.
            patient: whether the sender is known to send again what is turned away.
            beside: where it goes beside what the rules say.

        Raises:
            router.store.base.StoreError: there is no room for it; `answered` is not called.
        """
        if not received.readings:
            answered(None)
            return
        records, size = self._read(source, received, beside)
        self._upkeep.make_room(size, patient=patient)
        self._sieve.offer(records, answered)

    def _read(self, source: str, received: Received, beside: tuple[Route, ...]) -> tuple[list[Record], int]:
        """What a request brings, routed; and how many bytes it will take in the store, roughly."""
        now, original = self._clock.now(), received.original
        version, route = self._deployment.version, self._deployment.route
        failures: list[tuple[str, str]] = []

        def failed(rule: str, why: str) -> None:
            failures.append((rule, why))

        size = len(original.body) if original else 0
        records = []
        for reading in received.readings:
            event, notes = reading.event, reading.notes
            routes = route(event, failed)
            if failures:
                notes = (*notes, *self._unasked(event, failures))
                failures.clear()
            if beside:
                routes += beside
            record = Record(
                event=event,
                source=source,
                received=now,
                version=version,
                routes=routes,
                notes=notes,
                original=original,
                fingerprint=fingerprint(event),
            )
            records.append(record)
            size += _OVERHEAD + len(event.data or b"")
        return records, size

    def _unasked(self, event: Event, failures: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Notes of the rules that could not be asked about an event."""
        for rule, why in failures:
            if self._quota.admits(rule):
                log.warning("rule.failed", rule=rule, error=why, type=event.type, id=event.id)
            yield f"could-not-ask:{rule}"

    def stored(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `router.store.intake.Listener.stored`."""
        self._note_recovery()
        try:
            self._observer.accepted(sequences, records)
        except Exception:  # what is on disk is accepted, whatever a spectator thinks of it
            log.exception("observer.failed")

    def failed(self, error: Exception, records: Sequence[Record], requests: int) -> None:  # noqa: ARG002
        """See `router.store.intake.Listener.failed`."""
        if isinstance(error, StoreError):
            if not self._turned_away:  # said once: the log may well stand on the disk that is full
                log.error("store.failing", error=error.message)
            self._failure = error.message
            self._turned_away += requests
            self._failed = self._clock.now()

    def _note_recovery(self) -> None:
        """The store works again, if it does for a while."""
        if self._turned_away and abs(self._clock.now() - self._failed) >= CALM:  # the clock may have been set
            log.info("store.recovered", turned_away=self._turned_away)
            self._turned_away = 0

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
            rendered = transform.render(delivery.event, delivery.received)
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
