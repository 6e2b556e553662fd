"""Keeps the store within its bounds: lets go of what is old, and says when there is no room for more."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from router.clock import Clock
from router.store.base import Store, StoreError

PAUSE = 5.0
"""Seconds between two looks at the store."""

RESERVE = 0.05
"""The share of the quota that is kept for senders who are not known to send again."""

log = structlog.stdlib.get_logger(__name__)


class FullError(StoreError):
    """The store may not grow: its quota is used up."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the store may hold.

    Attributes:
        within: seconds for which events are kept that nobody waits for.
        most: bytes of these.
        quota: bytes of everything.
    """

    within: float
    most: int
    quota: int


class Upkeep:
    """Looks after a store.

    Attributes:
        bounds: may be exchanged at any time.
    """

    def __init__(self, store: Store, clock: Clock, bounds: Bounds) -> None:
        self.bounds = bounds
        self._store = store
        self._clock = clock
        self._weight = 0
        self._said = False

    async def run(self) -> None:
        """Look after it for ever."""
        while True:
            await self.look()
            await self._clock.sleep_until(self._clock.now() + PAUSE)

    async def look(self) -> None:
        """Let go of what is old, and weigh what is left."""
        try:
            gone = await self._store.trim(self._clock.now() - self.bounds.within, self.bounds.most)
            self._weight = (await self._store.extent()).bytes
        except StoreError as error:
            log.error("archive.untrimmed", error=error.message)
            return
        if gone:
            log.info("archive.trimmed", events=gone, bytes=self._weight)
        if self._said and self.complaint() is None:
            self._said = False
            log.info("store.has_room", bytes=self._weight)

    def make_room(self, size: int, *, patient: bool) -> None:
        """Take note that so many bytes are about to be stored.

        Args:
            size: of the payloads.
            patient: whether the sender is known to send again what is turned away.

        Raises:
            FullError: there is no room for them.
        """
        quota = self.bounds.quota * (1 - RESERVE if patient else 1)
        if self._weight + size > quota:
            if not self._said:
                self._said = True
                log.error("store.full", bytes=self._weight, quota=self.bounds.quota, hint=_HINT)
            raise FullError(f"the store's quota of {self.bounds.quota:,} bytes is used up")
        self._weight += size

    def complaint(self) -> str | None:
        """Why senders are turned away; None if they are not."""
        if self._weight > self.bounds.quota * (1 - RESERVE):
            return f"the store weighs {self._weight:,} bytes of the {self.bounds.quota:,} it may ({_HINT})"
        return None


_HINT = "mend the targets that do not take their events, drop dead letters, or raise settings.quota"
