"""What the archive asks of one segment, or of what was kept of segments: a database, or a log."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from router.events.received import Original
from router.store.base import StoreError
from router.store.fingerprints import Fingerprints
from router.store.layout import connect
from router.store.queries import EVENTS
from router.store.rows import Arrival


class UnreadableError(StoreError):
    """A record cannot be read."""


class Volume(Protocol):
    """Records in the order of their sequence, for one thread at a time.

    Nothing stays open between two calls, so that any volume may be closed meanwhile. What is damaged, and not
    only one record of it, is an error of the disk's, of SQLite's, or a `router.store.advice.DamagedError`.
    """

    def span(self) -> tuple[int, int]:
        """The first and the last sequence; (0, -1) where there is none."""
        ...

    def newest(self) -> float | None:
        """When the newest record was received, seconds since the epoch; None where there is none.

        The newest by the clock, which may have been set meanwhile.
        """
        ...

    def count(self, first: int, last: int) -> int:
        """How many records there are from `first` to `last`, both included."""
        ...

    def first_at(self, when: float) -> int | None:
        """The lowest sequence received at `when` (seconds since the epoch) or later."""
        ...

    def arrivals(self, first: int, last: int, most: int) -> Sequence[Arrival]:
        """The first up to `most` that arrived from `first` to `last`, both included, in order."""
        ...

    def arrival(self, sequence: int) -> Arrival | None:
        """What arrived with a sequence."""
        ...

    def fingerprints(self, since: float, most: int) -> Fingerprints:
        """Those of the newest records received at `since` or later, newest first; without those of none."""
        ...

    def row(self, sequence: int) -> bytes | None:
        """A record, as `router.store.rows` makes it.

        Raises:
            UnreadableError: it is not what was written.
        """
        ...

    def original(self, sequence: int) -> Original | None:
        """The request that is kept under a sequence.

        Raises:
            UnreadableError: it is not what was written.
        """
        ...

    def close(self) -> None:
        """Nobody asks any more."""
        ...


class DatabaseVolume:
    """See `Volume`. One database of SQLite's."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, writing=False)

    def span(self) -> tuple[int, int]:
        """See `Volume.span`."""
        first, last = self._one("span")
        return (0, -1) if first is None else (first, last)

    def newest(self) -> float | None:
        """See `Volume.newest`."""
        newest: float | None = self._one("newest")[0]
        return newest

    def count(self, first: int, last: int) -> int:
        """See `Volume.count`."""
        return int(self._one("count_between", first, last)[0])

    def first_at(self, when: float) -> int | None:
        """See `Volume.first_at`."""
        found: int | None = self._one("first_at", when)[0]
        return found

    def arrivals(self, first: int, last: int, most: int) -> Sequence[Arrival]:
        """See `Volume.arrivals`."""
        found = self._connection.execute(EVENTS["arrivals"], (first, last, most)).fetchall()
        return [Arrival(*row) for row in found]

    def arrival(self, sequence: int) -> Arrival | None:
        """See `Volume.arrival`."""
        row = self._one("arrival", sequence)
        return None if row is None else Arrival(*row)

    def fingerprints(self, since: float, most: int) -> Fingerprints:
        """See `Volume.fingerprints`."""
        with contextlib.closing(self._connection.execute(EVENTS["fingerprints"], (since, most))) as found:
            return Fingerprints(found)

    def row(self, sequence: int) -> bytes | None:
        """See `Volume.row`. SQLite does not tell whether it is what was written."""
        row = self._one("record", sequence)
        return None if row is None else bytes(row[0])

    def original(self, sequence: int) -> Original | None:
        """See `Volume.original`."""
        row = self._one("original", sequence)
        return None if row is None else Original(*row)

    def close(self) -> None:
        """See `Volume.close`."""
        self._connection.close()

    def _one(self, query: str, *parameters: object) -> Any:
        return self._connection.execute(EVENTS[query], parameters).fetchone()
