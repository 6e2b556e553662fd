"""One target's deliveries in memory: what may be claimed, what is claimed, and up to where all is settled.

Pure but for the waiting: no clock, no disk. Both stores are built from it.
"""

from __future__ import annotations

from collections import deque

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
        claimed: first tries under way, with the time of the claim (seconds since the epoch).
        again: retries under way.
        unread: the lowest sequence whose first tries stand only on disk; None while memory holds all.
        pending: how many first tries are not settled, on disk and in memory.
    """

    __slots__ = ("_arrival", "again", "claimed", "pending", "ready", "unread")

    def __init__(self) -> None:
        self.ready: deque[Delivery] = deque()
        self.claimed: dict[Key, float] = {}
        self.again: set[Key] = set()
        self.unread: int | None = None
        self.pending = 0
        self._arrival = anyio.Event()

    @property
    def arrival(self) -> anyio.Event:
        """Set at the next `notify`. Take it before looking, wait for it after: then nothing is missed."""
        return self._arrival

    def notify(self) -> None:
        """Something may be claimed now."""
        if self._arrival.statistics().tasks_waiting:
            self._arrival.set()
            self._arrival = anyio.Event()

    def take(self, most: int, now: float) -> list[Delivery]:
        """Claim up to `most` first tries."""
        taken = [self.ready.popleft() for _ in range(min(most, len(self.ready)))]
        for delivery in taken:
            self.claimed[key_of(delivery)] = now
        return taken

    def under_way(self) -> frozenset[Key]:
        """What is claimed and not settled."""
        return frozenset(self.again.union(self.claimed))

    def slow(self, since: float) -> set[Key]:
        """The first tries that have been under way since `since` (seconds since the epoch) or longer."""
        return {key for key, claimed in self.claimed.items() if claimed <= since}

    def finish(self, key: Key) -> None:
        """A claimed delivery is settled."""
        if self.claimed.pop(key, None) is None:
            self.again.discard(key)
        else:
            self.pending -= 1

    def put_off(self, key: Key) -> None:
        """A first try under way is written down as an exception, and stays under way."""
        del self.claimed[key]
        self.pending -= 1
        self.again.add(key)

    def watermark(self, head: int, besides: set[Key]) -> int:
        """The highest sequence up to which no first try is left to settle, but for `besides`.

        `head` is the store's last sequence.
        """
        still_claimed = self.claimed.keys() - besides
        return min(
            self.ready[0].sequence - 1 if self.ready else head,
            min(still_claimed)[0] - 1 if still_claimed else head,
            head if self.unread is None else self.unread - 1,
        )
