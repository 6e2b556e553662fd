"""Takes committed events to their targets: long-lived workers for each, and no target waits for another."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from router.clock import Clock
from router.delivery.health import Health
from router.delivery.retry import Chance, GiveUp, Policy, decide
from router.delivery.settler import Settler
from router.store.base import Attempt, Delivery, Settlement, State, Store, StoreError
from router.targets.base import (
    ANSWER_BYTES,
    Body,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Target,
)

PAUSE = 1.0
"""Seconds before a store that cannot be read is asked again."""

TICK = 0.01
"""Seconds between two looks for due retries at least, so that many are woken together."""

log = structlog.stdlib.get_logger(__name__)


class UnrenderableError(Exception):
    """A delivery's body cannot be made, now or ever."""


Render = Callable[[Delivery], Awaitable[Body | None]]
"""Makes a delivery's body; None for the event as it is. Raises UnrenderableError."""


class Observer(Protocol):
    """Who is told what became of deliveries."""

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """These are on disk."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """A target with the user's settings for it."""

    target: Target
    policy: Policy
    concurrency: int


class Engine:
    """Delivers what the store holds, until it is stopped.

    Args:
        chance: for the jitter of retries.
    """

    def __init__(
        self,
        *,
        store: Store,
        ways: Mapping[str, Way],
        render: Render,
        clock: Clock,
        chance: Chance,
        observer: Observer,
    ) -> None:
        self._store = store
        self._ways = ways
        self._render = render
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._settler = Settler(store, clock, self._written)
        self._health = Health(clock)
        self._stopping = anyio.Event()
        self._idle: set[anyio.CancelScope] = set()
        self._alarm = math.inf
        self._nap = anyio.CancelScope()

    async def run(self, grace: float) -> None:
        """Deliver until `stop`; then let attempts under way end, for `grace` seconds at most.

        An attempt that is cut short is made again at the next start: its delivery stays unsettled.
        """
        done = anyio.Event()
        async with anyio.create_task_group() as keeping:
            keeping.start_soon(self._settler.run, done)
            async with anyio.create_task_group() as working:
                working.start_soon(self._wake_retries)
                for name, way in self._ways.items():
                    for _ in range(way.concurrency):
                        working.start_soon(self._work, name, way)
                working.start_soon(self._end, working, grace)
            done.set()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        for scope in self._idle:
            scope.cancel()

    async def _end(self, working: TaskGroup, grace: float) -> None:
        await self._stopping.wait()
        self._nap.cancel()
        working.cancel_scope.deadline = anyio.current_time() + grace

    # -- first tries and retries ----------------------------------------------------------------------------

    async def _work(self, name: str, way: Way) -> None:
        while not self._stopping.is_set():
            deliveries: Sequence[Delivery] = ()
            with anyio.CancelScope() as scope:
                self._idle.add(scope)
                try:
                    deliveries = await self._store.claim(name, way.target.batch)
                except StoreError as error:
                    log.error("delivery.unreadable", target=name, error=error.message)
                    await self._clock.sleep_until(self._clock.now() + PAUSE)
                finally:
                    self._idle.discard(scope)
            if deliveries:
                await self._settler.add(await self._attempt(name, way, deliveries))

    async def _wake_retries(self) -> None:
        """Tell the store the time, whenever a retry is due."""
        while not self._stopping.is_set():
            with anyio.CancelScope() as self._nap:
                self._alarm = math.inf  # what is settled while the store looks may be due first
                try:
                    upcoming = await self._store.due(self._clock.now())
                except StoreError as error:
                    log.error("delivery.unreadable", error=error.message)
                    upcoming = self._clock.now() + PAUSE
                self._alarm = math.inf if upcoming is None else upcoming
                if upcoming is None:
                    await anyio.sleep_forever()
                else:
                    await self._clock.sleep_until(max(upcoming, self._clock.now() + TICK))

    def _written(self, settlements: Sequence[Settlement]) -> None:
        """A retry may be due before the one that is being waited for."""
        earliest = min((s.due for s in settlements if s.due is not None), default=math.inf)
        if earliest < self._alarm:
            self._nap.cancel()
        self._health.look(settlements)
        self._observer.settled(settlements)

    # -- one attempt ----------------------------------------------------------------------------------------

    async def _attempt(self, name: str, way: Way, deliveries: Sequence[Delivery]) -> list[Settlement]:
        """Try once. Whatever goes wrong in here costs no delivery and no worker."""
        began = self._clock.now()
        settlements: list[Settlement] = []
        messages: dict[int, Message] = {}
        for index, delivery in enumerate(deliveries):
            try:
                messages[index] = _message(delivery, await self._render(delivery))
            except UnrenderableError as error:
                attempt = Attempt(at=began, seconds=0.0, error=str(error))
                settlements.append(Settlement(delivery=delivery, state=State.DEAD, attempt=attempt))
            except Exception:
                log.exception("delivery.unrendered", target=name, delivery=delivery.id)
                due = self._clock.now() + PAUSE
                settlements.append(Settlement(delivery=delivery, state=State.RETRYING, due=due))
        outcomes = await self._deliver(name, way, list(messages.values())) if messages else ()
        now = self._clock.now()
        settlements.extend(
            self._settlement(way.policy, deliveries[index], outcome, began, now)
            for index, outcome in zip(messages, outcomes, strict=True)
        )
        return settlements

    @staticmethod
    async def _deliver(name: str, way: Way, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            return _checked(await way.target.deliver(messages), len(messages))
        except Exception as error:
            log.exception("delivery.target_failed", target=name, deliveries=len(messages))
            return [RetryLater(f"the target's code failed: {type(error).__name__}: {error}")] * len(messages)

    def _settlement(
        self, policy: Policy, delivery: Delivery, outcome: Outcome, began: float, now: float
    ) -> Settlement:
        answer = outcome.answer[:ANSWER_BYTES].decode(errors="replace")
        attempt = Attempt(at=began, seconds=now - began, status=outcome.status, answer=answer)
        match outcome:
            case Delivered():
                return Settlement(delivery=delivery, state=State.DELIVERED, attempt=attempt)
            case Rejected(reason=reason):
                return _failed(delivery, State.DEAD, attempt, reason)
            case RetryLater(reason=reason, after=after):
                decision = decide(
                    policy,
                    attempt=len(delivery.attempts) + 1,
                    began=delivery.attempts[0].at if delivery.attempts else began,
                    now=now,
                    after=after,
                    chance=self._chance,
                )
                if isinstance(decision, GiveUp):
                    return _failed(delivery, State.DEAD, attempt, f"{reason}; {decision.reason}")
                return _failed(delivery, State.RETRYING, attempt, reason, decision.when)


def _failed(
    delivery: Delivery, state: State, attempt: Attempt, reason: str, due: float | None = None
) -> Settlement:
    failed = msgspec.structs.replace(attempt, error=reason)
    return Settlement(delivery=delivery, state=state, attempt=failed, due=due)


def _message(delivery: Delivery, body: Body | None) -> Message:
    return Message(
        id=delivery.id,
        sequence=delivery.sequence,
        event=delivery.event,
        body=body,
        rules=delivery.rules,
        attempt=len(delivery.attempts) + 1,
    )


def _checked(outcomes: Sequence[Outcome], wanted: int) -> Sequence[Outcome]:
    """A target's answer, if it is one. Plugins are other people's code.

    Raises:
        TypeError: it is not.
    """
    found = list(outcomes)
    if len(found) != wanted or not all(isinstance(one, Outcome) for one in found):
        raise TypeError(f"an outcome for each of {wanted} messages was due, not {found!r:.200}")
    return found
