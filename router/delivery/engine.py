"""Takes committed events to their targets: a crew for each, and no target waits for another."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from router.clock import SteadyClock
from router.delivery.attempt import Attempts, Render, UnrenderableError
from router.delivery.breaker import Breaker
from router.delivery.crew import Crew
from router.delivery.health import Health
from router.delivery.notices import notice
from router.delivery.ordered import OrderBy
from router.delivery.retry import Chance
from router.delivery.settler import Settler
from router.delivery.timeline import Timeline
from router.delivery.way import Tools, Way
from router.store.base import Record, Settlement, State, Store, StoreError
from router.telemetry.quota import MINUTE

__all__ = ["Breaker", "Engine", "Observer", "OrderBy", "Render", "UnrenderableError", "Way"]

PAUSE = 1.0
"""Seconds before a store that cannot be read is asked again."""

SAMPLE = 1_000
"""How many deliveries that wait are asked at the start for the time of their last attempt."""

TICK = 0.01
"""Seconds between two looks for due retries at least, so that many are woken together."""

log = structlog.stdlib.get_logger(__name__)


class Observer(Protocol):
    """Who is told what became of deliveries."""

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """These are on disk."""
        ...


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
        clock: SteadyClock,
        chance: Chance,
        observer: Observer,
    ) -> None:
        self._store = store
        self._observer = observer
        self._time = Timeline(clock)
        self._settler = Settler(store, self._time, self._written, self._notice)
        self._health = Health(self._time)
        attempts = Attempts(render, self._time, chance)
        self._tools = Tools(store, self._time, attempts, self._settler, self._health)
        self._crews = {name: Crew(name, way, self._tools) for name, way in ways.items()}
        self._leaving: dict[str, Crew] = {}
        """Those whose last outcomes are not written yet."""
        self._working: TaskGroup | None = None
        self._stopping = anyio.Event()
        self._reloading = anyio.Lock()
        self._alarm = math.inf
        self._nap = anyio.CancelScope()

    async def run(self, grace: float) -> None:
        """Deliver until `stop`; then let attempts under way end, for `grace` seconds at most.

        An attempt that is cut short is made again at the next start: its delivery stays unsettled.
        """
        done = anyio.Event()
        await self._catch_up()
        async with anyio.create_task_group() as keeping:
            keeping.start_soon(self._keep_told)
            async with anyio.create_task_group() as writing:
                writing.start_soon(self._settler.run, done)
                async with anyio.create_task_group() as self._working:
                    self._working.start_soon(self._wake_retries)
                    for crew in self._crews.values():
                        self._working.start_soon(crew.run)
                    self._working.start_soon(self._end, self._working, grace)
                self._working = None
                done.set()
            keeping.cancel_scope.cancel()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        for crew in self._crews.values():
            crew.stop()

    async def reload(self, ways: Mapping[str, Way]) -> None:
        """Let these targets take the place of those there are; return when nobody uses those any more.

        By then it is written what became of their deliveries, as far as the store can be written.

        The change itself is done at once. A target that is as it was goes on as if nothing had happened; what
        is under way to any other ends there, and what waits for it goes to the new one of its name. What
        waits for a name that is gone stays in the store.
        """
        async with self._reloading:
            leaving = {name: crew for name, crew in self._crews.items() if ways.get(name) != crew.way}
            for crew in leaving.values():
                crew.stop()
            staying = {name: crew for name, crew in self._crews.items() if name not in leaving}
            self._leaving = leaving
            self._crews = {
                name: staying[name] if name in staying else self._hire(name, way, self._crews.get(name))
                for name, way in ways.items()
            }
            if self._working is not None:
                for crew in leaving.values():
                    await crew.ended.wait()
                if leaving:
                    await self._settler.flushed()
            self._leaving = {}

    def conditions(self) -> dict[str, Breaker]:
        """How each target fares."""
        return {name: crew.breaker for name, crew in self._crews.items()}

    def complaints(self) -> list[str]:
        """Why what becomes of deliveries is not kept now; empty where it is."""
        if self._settler.problem is None:
            return []
        return [f"what became of deliveries is not kept, and they may come twice: {self._settler.problem}"]

    def now(self) -> float:
        """The time by which retries are due, seconds since the epoch: the wall clock's, but never set."""
        return self._time.now()

    def look(self) -> None:
        """Somebody else has made deliveries due: do not wait for the time that was known."""
        self._nap.cancel()

    def _hire(self, name: str, way: Way, before: Crew | None) -> Crew:
        follows = None
        if before is not None and self._working is not None and (way.order or before.way.order):
            follows = before.ended
        crew = Crew(name, way, self._tools, follows)
        if self._stopping.is_set():
            crew.stop()
        if self._working is not None:
            self._working.start_soon(crew.run)
        return crew

    async def _end(self, working: TaskGroup, grace: float) -> None:
        await self._stopping.wait()
        self._nap.cancel()
        working.cancel_scope.deadline = anyio.current_time() + grace

    async def _keep_told(self) -> None:
        while True:
            await self._time.sleep_until(self._time.now() + MINUTE)
            self._health.tell_rest()

    async def _catch_up(self) -> None:
        """Begin where an earlier life was, if the clock has been set back since: what it left is due then."""
        try:
            left = await self._store.standing([State.RETRYING], most=SAMPLE)
        except StoreError as error:
            log.error("delivery.unreadable", error=error.message)
            return
        been = [one.delivery.attempts[-1].at if one.delivery.attempts else one.at for one in left]
        self._time.not_before(max((at for at in been if at is not None), default=0.0))
        with contextlib.suppress(StoreError):  # who wakes retries says so
            # What was interrupted is older than what has never been tried: it goes first.
            await self._store.due(self._time.now())

    async def _wake_retries(self) -> None:
        """Tell the store the time, whenever a retry is due."""
        while not self._stopping.is_set():
            with anyio.CancelScope() as self._nap:
                self._alarm = math.inf  # what is settled while the store looks may be due first
                try:
                    upcoming = await self._store.due(self._time.now())
                except StoreError as error:
                    log.error("delivery.unreadable", error=error.message)
                    upcoming = self._time.now() + PAUSE
                self._alarm = math.inf if upcoming is None else upcoming
                if upcoming is None:
                    await anyio.sleep_forever()
                else:
                    await self._time.sleep_until(max(upcoming, self._time.now() + TICK))

    def _notice(self, settlement: Settlement) -> Record | None:
        """What is told of a dead letter, where somebody wants to know."""
        target = settlement.delivery.target
        crew = self._crews.get(target) or self._leaving.get(target)
        if crew is None or crew.way.dead_letter is None:
            return None
        return notice(settlement, crew.way.dead_letter, self._time.now())

    def _written(self, settlements: Sequence[Settlement]) -> None:
        """A retry may be due before the one that is being waited for."""
        dues = [one.due for one in settlements if one.due is not None]
        if dues and min(dues) < self._alarm:
            self._nap.cancel()
        for crew in self._crews.values():
            crew.written(settlements)
        self._health.look(settlements)
        self._observer.settled(settlements)
