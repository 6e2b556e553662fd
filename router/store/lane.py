"""One target's deliveries in memory: what may be claimed, what is claimed, and up to where all is settled.

Pure but for the waiting: no clock, no disk. Both stores are built from it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection

import anyio

from router.store.base import Delivery

Key = tuple[int, str]
"""A delivery within a lane: its sequence and its variant."""


def key_of(delivery: Delivery) -> Key:
    """The delivery's key within its target's lane."""
    return (delivery.sequence, delivery.variant)


class Lane:
    """The deliveries of one target.

    First tries come in the order of their sequences, each once. What was tried and must be tried
    again is an exception: the store keeps it apart, and it does not hold the watermark back.

    Attributes:
        ready: first tries that may be claimed, lowest sequence first.
        bytes: how long their payloads are together.
        claimed: first tries under way, with the time of the claim (seconds since the epoch).
        again: retries under way, with the time of the claim.
        withheld: first tries that may not be claimed now: an operator's word about them is being written.
        early: retries, and what lasts, delivered above the watermark. The store keeps saying so until it has
            passed them: without a word there they would count as not tried yet.
        unread: the lowest sequence whose first tries stand only on disk; None while memory holds all.
        pending: how many first tries are not settled, on disk and in memory.
        news: how often there was something new to claim.
        due: the time up to which retries may be claimed, where there may be any.
        decreed: whether an operator's word may have moved the watermark since it was last written.
        turn: whoever reads for this lane from disk, or decides about what is there, does so alone.
    """

    __slots__ = (
        "_loop",
        "_waiting",
        "again",
        "bytes",
        "claimed",
        "decreed",
        "due",
        "early",
        "news",
        "pending",
        "ready",
        "turn",
        "unread",
        "withheld",
    )

    def __init__(self) -> None:
        self.ready: deque[Delivery] = deque()
        self.bytes = 0
        self.claimed: dict[Key, float] = {}
        self.again: dict[Key, float] = {}
        self.withheld: dict[Key, Delivery] = {}
        self.early: set[Key] = set()
        self.unread: int | None = None
        self.pending = 0
        self.news = 0
        self.due: float | None = None
        self.decreed = False
        self.turn = anyio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[asyncio.Future[None], int] = {}

    def wait(self, most: int) -> asyncio.Future[None]:
        """What to wait for where there is nothing to claim, for one who takes up to `most`.

        It is resolved when it is worth looking again. Nothing is missed between a look and this call.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # a system call, up to Python 3.11: made once
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting[turn] = most
        return turn

    async def newer(self, seen: int, most: int) -> None:
        """Wait until there is more news than `seen`, the `news` from before looking: so nothing is missed."""
        if self.news != seen:
            return
        turn = self.wait(most)
        try:
            await turn
        finally:
            self._waiting.pop(turn, None)

    def notify(self, count: int = 1) -> None:
        """So many more may be claimed now: as many of those who wait look as it takes to claim them."""
        self.news += 1
        while count > 0 and self._waiting:
            turn, most = self._waiting.popitem()  # who came last is quickest to go on
            if not turn.done():
                turn.set_result(None)
                count -= most

    def pass_on(self) -> None:
        """Somebody goes away who may have been woken, and has not looked: let others do so."""
        if self._waiting:
            self.notify(max(len(self.ready), 1))

    def rouse(self) -> None:
        """Let all who wait look again."""
        self.notify(sum(self._waiting.values()))

    def put(self, delivery: Delivery) -> None:
        """Let a first try be claimed."""
        self.ready.append(delivery)
        self.bytes += len(delivery.event.data or b"")

    def take(self, most: int, now: float) -> list[Delivery]:
        """Claim up to `most` first tries."""
        ready, claimed, size = self.ready, self.claimed, self.bytes
        taken = [ready.popleft() for _ in range(min(most, len(ready)))]
        for delivery in taken:
            claimed[delivery.sequence, delivery.variant] = now
            size -= len(delivery.event.data or b"")
        self.bytes = size
        return taken

    def take_again(self, deliveries: Collection[Delivery], now: float) -> None:
        """Claim retries."""
        for delivery in deliveries:
            self.again[key_of(delivery)] = now

    def under_way(self) -> dict[Key, float]:
        """What is claimed and not settled, with the time of the claim."""
        return self.again | self.claimed

    def withhold(self, keys: Collection[Key]) -> None:
        """Let none of these be claimed until `decided`."""
        if not keys:
            return
        kept: deque[Delivery] = deque()
        for delivery in self.ready:
            if (key := key_of(delivery)) in keys:
                self.withheld[key] = delivery
                self.bytes -= len(delivery.event.data or b"")
            else:
                kept.append(delivery)
        self.ready = kept

    def decided(self, gone: Collection[Key]) -> None:
        """What was withheld is no first try any more where it is in `gone`; the rest may be claimed again."""
        back = [delivery for key, delivery in self.withheld.items() if key not in gone]
        self.withheld.clear()
        self.pending -= len(gone)
        self.decreed = True
        if back:
            self.bytes += sum(len(delivery.event.data or b"") for delivery in back)
            self.ready = deque(sorted([*back, *self.ready], key=key_of))
            self.notify(len(back))

    def slow(self, since: float, now: float) -> set[Key]:
        """The first tries that have been under way since `since` (seconds since the epoch) or longer.

        One that seems to begin after `now` counts too: the clock was set back, and nobody knows how long it
        has been under way.
        """
        return {key for key, claimed in self.claimed.items() if not since < claimed <= now}

    def settled(self, done: set[Key], slow: set[Key], early: set[Key], mark: int) -> None:
        """What the store has just written down.

        Args:
            done: claimed deliveries that are settled.
            slow: first tries that are exceptions now and still under way.
            early: those of `done` that were retries, and delivered above the watermark.
            mark: the watermark.
        """
        for key in slow:
            self.put_off(key)
        self.finish(done)
        if self.early or early:
            self.early = {key for key in self.early | early if key[0] > mark}

    def finish(self, keys: Collection[Key]) -> None:
        """Claimed deliveries are settled."""
        claimed, again = self.claimed, self.again
        before = len(claimed)
        for key in keys:
            if claimed.pop(key, None) is None:
                again.pop(key, None)
        self.pending -= before - len(claimed)

    def put_off(self, key: Key) -> None:
        """A first try under way is written down as an exception, and stays under way."""
        self.again[key] = self.claimed.pop(key)
        self.pending -= 1

    def watermark(self, head: int, besides: set[Key]) -> int:
        """The highest sequence up to which no first try is left to settle, but for `besides`.

        `head` is the store's last sequence.
        """
        still_claimed = self.claimed.keys() - besides
        return min(
            self.ready[0].sequence - 1 if self.ready else head,
            min(still_claimed)[0] - 1 if still_claimed else head,
            min(self.withheld)[0] - 1 if self.withheld else head,
            head if self.unread is None else self.unread - 1,
        )


class Lanes(dict[str, Lane]):
    """All targets' lanes, made when they are first asked for.

    Attributes:
        head: the highest sequence that was handed over to the lanes.
    """

    def __init__(self, head: int) -> None:
        super().__init__()
        self.head = head

    def __missing__(self, target: str) -> Lane:
        lane = self[target] = Lane()
        return lane
