"""Deliveries that nobody waits for: they are begun together, and their answers are taken together.

Nothing in here waits. What has to be waited for is left to the crew's workers. One of them looks after it: it
is roused from `Store.news` when there is something to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from router.delivery.attempt import Begun, Tried
from router.delivery.way import Tools, Way
from router.store.base import Delivery
from router.targets.base import Prompt

AT_ONCE: Final = 32
"""How many are begun in one turn of the event loop; it has others to look after."""


class Pump:
    """One crew's deliveries that are begun without waiting.

    Of the crew's `concurrency`, each delivery has one place from its claim on, whoever makes it.

    Attributes:
        free: how many places are free.
        left: claimed deliveries that workers have to make; each has its place.
        under_way: how many are begun and not answered.
        rests: whether nothing is to be begun, because a worker waits for what goes first.
        is_seen_to: whether a worker looks after this.

    Args:
        name: the target's.
        target: it.
        may_begin: whether anything may be begun now.
        ended: is told what came of those that were answered in one turn.
        call: calls a worker, whatever it waits for.
    """

    def __init__(
        self,
        name: str,
        target: Prompt,
        way: Way,
        tools: Tools,
        may_begin: Callable[[], bool],
        ended: Callable[[Tried], None],
        call: Callable[[], None],
    ) -> None:
        self.free = way.concurrency
        self.left: deque[Delivery] = deque()
        self.under_way = 0
        self.rests = False
        self.is_seen_to = False
        self._name = name
        self._target = target
        self._policy = way.policy
        self._store = tools.store
        self._attempts = tools.attempts
        self._time = tools.time
        self._may_begin = may_begin
        self._ended = ended
        self._call = call
        self._answered: list[Begun] = []
        self._looks = False
        self._is_closed = False
        self._fault: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = asyncio.Event()
        self._hands: deque[asyncio.Future[None]] = deque()

    @property
    def is_done(self) -> bool:
        """Whether nothing is under way or left."""
        return not (self.under_way or self.left)

    def begin(self) -> bool:
        """Begin what may be begun now; whether more can only be had by who waits for it (`Store.claim`).

        One turn of the loop begins no more than `AT_ONCE`: the rest follows in the next.
        """
        if self._fault is not None:
            raise self._fault
        if self._looks or self.rests or not self._may_begin():
            return False
        rest = AT_ONCE
        while most := min(self.free, rest):
            ready = self._store.claim_now(self._name, most)
            if not ready:
                return ready is None
            rest -= len(ready)
            self._begin(ready)
        if not rest:
            self._look_soon()  # there may be more
        return False

    def _begin(self, claimed: Sequence[Delivery]) -> None:
        self.free -= len(claimed)
        now, begin, target = self._time.now(), self._attempts.begin, self._target
        for delivery in claimed:
            if begin(target, Begun(delivery, now, self._take)):
                self.under_way += 1
            else:
                self.left.append(delivery)

    def release(self) -> None:
        """A worker is done with a delivery; it takes one that is left itself."""
        self.free += 1
        self._hand_over(is_wanted=self.begin(), besides=1)

    async def needed(self) -> None:
        """Wait until something is left, or nobody looks after this."""
        hand = asyncio.get_running_loop().create_future()
        self._hands.append(hand)
        await hand

    def wake(self, count: int) -> None:
        """Let so many who wait to be `needed` look."""
        while count > 0 and self._hands:
            hand = self._hands.popleft()
            if not hand.done():
                hand.set_result(None)
                count -= 1

    async def called(self) -> None:
        """Wait until there is something for a worker to look at, other than news of the store's.

        Those are another crew's already, where this one is to end.
        """
        self._called.clear()
        await self._called.wait()

    def close(self) -> None:
        """Begin nothing more, and take no answer."""
        self._is_closed = True

    def _take(self, begun: Begun) -> None:
        self._answered.append(begun)
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()  # a system call, up to Python 3.11: made once
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Take what was answered in this turn, and go on."""
        self._looks = False
        if self._is_closed:
            return
        try:
            if self._answered:
                self._judge()
            must_wait = self.begin()
        except Exception as error:  # noqa: BLE001 -- a worker raises it where it is heard
            self._fault = error
            must_wait = True
        self._hand_over(is_wanted=must_wait or not self._may_begin())

    def _hand_over(self, *, is_wanted: bool, besides: int = 0) -> None:
        """Have a worker look, if one is wanted; at once, if more is left than is taken already."""
        if len(self.left) > besides:
            self._call()
        elif is_wanted:
            self._store.rouse(self._name)
        self._called.set()

    def _judge(self) -> None:
        answered, self._answered = self._answered, []
        tried, undone = self._attempts.judge(self._target, self._policy, answered)
        self.under_way -= len(answered)
        self.free += len(tried.outcomes)
        self.left += undone
        if tried.outcomes:
            self._ended(tried)
