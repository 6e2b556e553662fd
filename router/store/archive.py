"""What was accepted, read from disk. Not for the event loop: each call may wait for the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from router.events.received import Original
from router.store import rows
from router.store.base import Record, Stored
from router.store.layout import Files, connect
from router.store.queries import EVENTS
from router.store.rows import Arrival


class Archive:
    """The records on disk, for one thread at a time."""

    def __init__(self, files: Files) -> None:
        self._events = connect(files.events, writing=False)

    def close(self) -> None:
        """Close all connections."""
        self._events.close()

    def head(self) -> int:
        """The highest sequence, 0 where there is none."""
        return int(self._events.execute(EVENTS["head"]).fetchone()[0] or 0)

    def first(self) -> tuple[int, float] | None:
        """The lowest sequence, and when its record was received."""
        found: tuple[int, float] | None = self._events.execute(EVENTS["first"]).fetchone()
        return found

    def first_at(self, when: float) -> int | None:
        """The lowest sequence received at `when` or later."""
        found = self._events.execute(EVENTS["first_at"], (when,)).fetchone()[0]
        return None if found is None else int(found)

    def arrivals(self, first: int, last: int) -> Iterator[Arrival]:
        """What arrived from `first` to `last`, both included, in order."""
        with contextlib.closing(self._events.execute(EVENTS["arrivals"], (first, last))) as found:
            for row in found:
                yield Arrival(*row)

    def arrival(self, sequence: int) -> Arrival | None:
        """What arrived with a sequence."""
        row = self._events.execute(EVENTS["arrival"], (sequence,)).fetchone()
        return None if row is None else Arrival(*row)

    def row(self, sequence: int) -> bytes:
        """The row of a record that is there."""
        found: bytes = self._events.execute(EVENTS["record"], (sequence,)).fetchone()[0]
        return found

    def record(self, arrival: Arrival) -> Record:
        """A record that is there, without its original: what a delivery is made of."""
        return rows.record_of(rows.decode_row(self.row(arrival.sequence)), arrival)

    def stored(self, arrival: Arrival) -> Stored:
        """A record that is there, with its original."""
        row = rows.decode_row(self.row(arrival.sequence))
        original = None
        if row.original is not None:
            original = Original(*self._events.execute(EVENTS["original"], (row.original,)).fetchone())
        return Stored(arrival.sequence, rows.record_of(row, arrival, original))

    def fingerprints(self, since: float, most: int) -> list[tuple[int, float, bytes]]:
        """(sequence, received, fingerprint) of the newest records received at `since` or later, in order."""
        found: list[tuple[int, float, bytes]] = self._events.execute(
            EVENTS["fingerprints"], (since, most)
        ).fetchall()
        return found[::-1]
