"""One target's workers: they wait until it may be tried, claim, try, and hand in what came of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial

import anyio
import structlog

from router.delivery.attempt import Tried
from router.delivery.breaker import CLOSED, Breaker, Mode, after, after_each, probing
from router.delivery.limits import Bucket
from router.delivery.ordered import Ordered
from router.delivery.pump import Pump
from router.delivery.way import Tools, Way
from router.store.base import Delivery, Settlement, StoreError
from router.targets.base import Cause, Lingering, Outcome, Paced, Prompt, RetryLater

PAUSE = 1.0
"""Seconds before a store that cannot be read is asked again."""

TICK = 0.001
"""Seconds that a worker waits for its target's rate at least."""

log = structlog.stdlib.get_logger(__name__)


class Crew:
    """Works for one target until it is stopped.

    The workers claim what is in memory without waiting. Where there is something to wait for beside work,
    they claim in turn: one waits for the breaker, for the rate or for a batch to fill, the others for it.
    So they do where a pump begins deliveries for which nobody has to wait: one waits for what it leaves.

    Attributes:
        breaker: whether the target is tried at present.
        ended: set when no worker is left.

    Args:
        follows: set when what others have under way to this name has ended: an order is kept across it.
    """

    def __init__(self, name: str, way: Way, tools: Tools, follows: anyio.Event | None = None) -> None:
        self.way = way
        self.breaker = Breaker(since=tools.time.now())
        self.ended = anyio.Event()
        self._name = name
        self._tools = tools
        self._bucket = None if way.rate is None else Bucket(way.rate)
        self._linger = way.target.linger if isinstance(way.target, Lingering) else 0.0
        self._pace = way.target.pace if isinstance(way.target, Paced) else 0.0
        self._tried = -math.inf
        self._follows = follows
        self._ordered: Ordered | None = None
        if way.order is not None:
            self._ordered = Ordered(name, way.order, tools.store, tools.settler, tools.time)
        self._in_turn = self._bucket is not None or self._linger > 0 or self._ordered is not None
        self._pump = None if self._in_turn or self._pace else self._prompt_pump()
        self._turn = anyio.Lock(fast_acquire=True)
        self._waiting: set[anyio.CancelScope] = set()
        self._probe: Sequence[Delivery] | None = None
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; return when what is under way has ended."""
        work = self._work if self._pump is None else partial(self._make_rest_of, self._pump)
        try:
            if self._follows is not None:
                await self._follows.wait()
            async with anyio.create_task_group() as keeping:
                if self._ordered is not None:
                    keeping.start_soon(self._ordered.run)
                async with anyio.create_task_group() as group:
                    for _ in range(self.way.concurrency):
                        group.start_soon(work)
                keeping.cancel_scope.cancel()
            if self._ordered is not None:
                await self._ordered.leave()
        finally:
            if self._pump is not None:
                self._pump.close()
            self.ended.set()

    def written(self, settlements: Sequence[Settlement]) -> None:
        """What became of deliveries is on disk."""
        if self._ordered is not None:
            self._ordered.written([one for one in settlements if one.delivery.target == self._name])

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._call_back()

    async def _work(self) -> None:
        tools, way, name, lasting = self._tools, self.way, self._name, self._ordered is not None
        claim_now, make, batch = tools.store.claim_now, tools.attempts.make, way.target.batch
        while not self._stopping:
            if self._claims_in_turn():
                deliveries = await self._in_its_turn()
            elif self._pace and tools.time.now() < self._tried + self._pace:
                with self._recallable():
                    await tools.time.sleep_until(self._tried + self._pace)
                continue
            elif (ready := claim_now(name, batch)) is None:
                deliveries = await self._next()
            elif ready:
                deliveries = ready
            else:
                await tools.store.news(name, batch)
                continue
            if deliveries:
                if self._pace:
                    self._tried = tools.time.now()
                self._take_note(deliveries, await make(way.target, way.policy, deliveries, lasting=lasting))
                if tools.settler.is_full:
                    await tools.settler.room()

    async def _make_rest_of(self, pump: Pump) -> None:
        """Work beside a pump: until what it has under way has ended, too."""
        tools, way = self._tools, self.way
        while not (self._stopping and pump.is_done):
            if pump.left:
                deliveries: Sequence[Delivery] = (pump.left.popleft(),)
            elif pump.is_seen_to:
                await pump.needed()
                continue
            else:
                deliveries = await self._rest_of(pump)
            if not pump.is_seen_to:
                pump.wake(len(pump.left) + 1)
            if deliveries:
                self._take_note(deliveries, await tools.attempts.make(way.target, way.policy, deliveries))
                if tools.settler.is_full:
                    await tools.settler.room()
                pump.release()
        pump.wake(1)

    def _claims_in_turn(self) -> bool:
        return self._in_turn or self.breaker.mode is not CLOSED

    @contextlib.contextmanager
    def _recallable(self) -> Iterator[None]:
        """Waiting in here ends when there is something else to wait for."""
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def _call_back(self) -> None:
        """Whoever waits, waits for something else now."""
        for scope in self._waiting:
            scope.cancel()
        self._tools.store.rouse(self._name)

    # -- claiming -------------------------------------------------------------------------------------------

    async def _in_its_turn(self) -> Sequence[Delivery]:
        """As `_next`, one worker at a time."""
        async with self._turn:
            return () if self._stopping or not self._claims_in_turn() else await self._next()

    async def _next(self) -> Sequence[Delivery]:
        """The next deliveries to try; none where the word has changed meanwhile."""
        deliveries: list[Delivery] = []
        with self._recallable():
            try:
                await self._claim(deliveries, await self._admitted())
            except StoreError as error:
                log.error("delivery.unreadable", target=self._name, error=error.message)
                if not deliveries:
                    await self._tools.time.sleep_until(self._tools.time.now() + PAUSE)
        if deliveries and self.breaker.mode is Mode.HALF_OPEN:
            self._probe = deliveries
        return deliveries

    async def _admitted(self) -> int:
        """Wait until the target may be tried; with how many deliveries."""
        time = self._tools.time
        while self.breaker.mode is not Mode.CLOSED or self._bucket is not None:
            now = time.now()
            self.breaker = probing(self.breaker, now)
            if self.breaker.until is not None:
                await time.sleep_until(self.breaker.until)
            elif (half := self.breaker.mode is Mode.HALF_OPEN) and self._probe is not None:
                await anyio.sleep_forever()  # until the probe has ended
            else:
                most = 1 if half else self.way.target.batch
                if self._bucket is None or (most := self._bucket.take(most, now)):
                    return most
                await time.sleep_until(now + max(self._bucket.wait(), TICK))
        return self.way.target.batch

    async def _claim(self, taken: list[Delivery], most: int) -> None:
        """Take up to `most`. What is `taken` stays taken, whatever ends the wait for more."""
        try:
            taken += await self._take(most)
            if self._linger and len(taken) < most:
                await self._linger_for(taken, most)
        finally:
            if self._bucket is not None:
                self._bucket.give_back(most - len(taken))

    def _take(self, most: int) -> Awaitable[Sequence[Delivery]]:
        if self._ordered is not None:
            return self._ordered.claim(most)
        return self._tools.store.claim(self._name, most)

    async def _linger_for(self, taken: list[Delivery], most: int) -> None:
        """Wait for more, but not for long."""
        until = self._tools.time.now() + self._linger
        async with anyio.create_task_group() as group:
            group.start_soon(self._end_at, until, group.cancel_scope)
            with contextlib.suppress(StoreError):  # the next claim will say so
                while len(taken) < most:
                    taken += await self._take(most - len(taken))
            group.cancel_scope.cancel()

    async def _end_at(self, when: float, scope: anyio.CancelScope) -> None:
        await self._tools.time.sleep_until(when)
        scope.cancel()

    # -- what a pump begins and leaves ----------------------------------------------------------------------

    def _prompt_pump(self) -> Pump | None:
        """Begins deliveries, if the target is one that can."""
        target: object = self.way.target
        if not isinstance(target, Prompt) or not target.is_prompt or self.way.target.batch > 1:
            return None
        ended, call = self._take_note_of_each, self._call_back
        return Pump(self._name, target, self.way, self._tools, self._may_begin, ended, call)

    def _may_begin(self) -> bool:
        return self.breaker.mode is CLOSED and not self._stopping and not self._tools.settler.is_full

    async def _rest_of(self, pump: Pump) -> Sequence[Delivery]:
        """A delivery that has to be made, or waited for; none when it is time to end.

        One worker at a time looks after the pump; the others wait until they are needed, or make something.
        """
        pump.is_seen_to = True
        try:
            return await self._see_to(pump)
        finally:
            pump.is_seen_to = False

    async def _see_to(self, pump: Pump) -> Sequence[Delivery]:
        settler, news, name = self._tools.settler, self._tools.store.news, self._name
        while True:
            must_wait = pump.begin()
            if pump.left:
                return (pump.left.popleft(),)
            if self._stopping:
                if pump.is_done:
                    return ()
                await pump.called()
            elif settler.is_full:
                with self._recallable():
                    await settler.room()
            elif pump.free and (must_wait or self.breaker.mode is not CLOSED):
                if deliveries := await self._next_beside(pump):
                    return deliveries
            else:
                await news(name, self.way.concurrency)

    async def _next_beside(self, pump: Pump) -> Sequence[Delivery]:
        """As `_next`, with a place; meanwhile nothing else is begun: retries go first."""
        pump.free -= 1
        pump.rests = True
        try:
            deliveries = await self._next()
        finally:
            pump.rests = False
        if not deliveries:
            pump.free += 1
        return deliveries

    # -- what came of them ----------------------------------------------------------------------------------

    def _take_note(self, deliveries: Sequence[Delivery], tried: Tried) -> None:
        """What came of these goes to the breaker and to the settler."""
        before = self.breaker
        self.breaker = after(before, tried.outcomes, tried.ended, self.way.policy)
        if self.breaker is not before:
            self._turned(before, tried.outcomes)
        if deliveries is self._probe:
            self._probe = None
            self._call_back()
        self._tools.settler.add(tried.settlements, at_once=self._ordered is not None)

    def _take_note_of_each(self, tried: Tried) -> None:
        """As `_take_note`, where each was tried by itself."""
        before = self.breaker
        self.breaker = after_each(before, tried.outcomes, tried.ended, self.way.policy)
        if self.breaker is not before:
            self._turned(before, tried.outcomes)
        self._tools.settler.add(tried.settlements)

    def _turned(self, before: Breaker, outcomes: Sequence[Outcome]) -> None:
        """These outcomes have made the breaker another one."""
        if (before.mode, before.until) != (self.breaker.mode, self.breaker.until):
            self._call_back()
        for outcome in outcomes:
            if isinstance(outcome, RetryLater) and outcome.cause is Cause.MISDIRECTED:
                self._tools.health.misdirected(self._name, outcome.reason)
