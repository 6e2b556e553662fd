"""Small real things that tests of several rooms use: a clock that is set by hand, targets that do as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from router.clock import Clock
from router.duplicates.sieve import Sieve
from router.events import Event
from router.rules.model import Deployment
from router.service import Service, Silent
from router.store.base import Record, Route, Store
from router.targets.base import Delivered, Message, Outcome
from router.upkeep import Bounds, Upkeep


class HandClock:
    """`router.clock.Clock`, set by hand: nothing passes unless a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._moved = anyio.Event()

    def now(self) -> float:
        return self._now

    async def sleep_until(self, when: float) -> None:
        while self._now < when:
            await self._moved.wait()

    def set(self, now: float) -> None:
        """It is `now`: wake whoever waited for it."""
        self._now = now
        self._moved.set()
        self._moved = anyio.Event()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.set(self._now + seconds)


class ScriptedTarget:
    """A target that does what `decide` says and remembers what it was asked.

    Attributes:
        seen: all messages, in the order of their arrival.
    """

    def __init__(
        self,
        decide: Callable[[Message], Outcome] = lambda _: Delivered(),
        *,
        batch: int = 1,
        concurrency: int = 1,
    ) -> None:
        self.decide = decide
        self.batch = batch
        self.concurrency = concurrency
        self.seen: list[Message] = []
        self._arrived = anyio.Event()

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """See `Target.deliver`."""
        self.seen.extend(messages)
        self._arrived.set()
        self._arrived = anyio.Event()
        return [self.decide(message) for message in messages]

    async def wait_for(self, count: int, within: float = 10.0) -> list[Message]:
        """Wait until it was asked `count` times in all."""
        with anyio.fail_after(within):
            while len(self.seen) < count:
                await self._arrived.wait()
        return self.seen


def record(number: int = 1, *targets: str, received: float = 1_800_000_000.0) -> Record:
    """A record whose event has `number` as its id, routed to `targets`."""
    return Record(
        event=Event(id=str(number), source="/tests", type="test.event", data=b'{"n": %d}' % number),
        source="events",
        received=received,
        version="v1",
        routes=tuple(Route(target, "", ("rule",)) for target in targets),
    )


def service_of(store: Store, deployment: Deployment, clock: Clock) -> Service:
    """A service that takes whatever comes: no second try is held back, and nothing is full."""
    return Service(
        store=store,
        sieve=Sieve(store, None, clock),
        upkeep=Upkeep(store, clock, Bounds(within=3600, most=10**9, quota=2 * 10**9)),
        deployment=deployment,
        clock=clock,
        observer=Silent(),
    )
