"""One log as a volume of the archive."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

from router.events.received import Original
from router.store.advice import DamagedError
from router.store.fingerprints import SIZE, Fingerprint, Fingerprints
from router.store.log.format import BEGIN, HEAD, Front, Piece, decode_original
from router.store.log.index import Index
from router.store.log.walking import Damage, Group, LogFile
from router.store.rows import Arrival
from router.store.volume import UnreadableError

_ALL = 2**63 - 1


class LogVolume:
    """See `router.store.volume.Volume`.

    Args:
        known: the indexes of logs, for all who read them. Who writes to one has put its index there: what is
            not in it may yet be taken back. Of others, who first needs it makes it.

    Raises:
        OSError, DamagedError, ConfigurationError: as `LogFile`.
    """

    def __init__(self, path: Path, known: dict[Path, Index] | None = None) -> None:
        self._file = LogFile(path)
        self._known = {} if known is None else known
        self._latest: tuple[Group, Front] | None = None

    def close(self) -> None:
        """See `Volume.close`."""
        self._file.close()

    # -- looking ------------------------------------------------------------------------------------------

    def span(self) -> tuple[int, int]:
        """See `Volume.span`."""
        index = self._index()
        return index.first, index.last

    def newest(self) -> float | None:
        """See `Volume.newest`. A log that was closed says it itself."""
        if self._file.path not in self._known:
            end = self._file.head(self._file.size() - HEAD)
            if end is not None and end.is_end:
                return end.newest if end.newest > -math.inf else None
        return self._index().newest

    def count(self, first: int, last: int) -> int:
        """See `Volume.count`."""
        index = self._index()
        if first <= index.first and index.last <= last:
            return index.count
        return sum(len(self._within(group, first, last)) for group in self._groups(first, last))

    def first_at(self, when: float) -> int | None:
        """See `Volume.first_at`."""
        place = self._index().of_time(when)
        for group in () if place is None else self._walk(*place):
            if group.head.newest >= when:
                arrivals = self._front(group).arrivals
                return next(arrival.sequence for arrival in arrivals if arrival.received >= when)
        return None

    def arrivals(self, first: int, last: int, most: int) -> Sequence[Arrival]:
        """See `Volume.arrivals`."""
        found: list[Arrival] = []
        for group in self._groups(first, last):
            within = self._within(group, first, last)
            found += self._front(group).arrivals[within.start : within.stop]
            if len(found) >= most:
                break
        return found[:most]

    def arrival(self, sequence: int) -> Arrival | None:
        """See `Volume.arrival`."""
        found = self.arrivals(sequence, sequence, 1)
        return found[0] if found else None

    def fingerprints(self, since: float, most: int) -> Fingerprints:
        """See `Volume.fingerprints`. As the clock may have been set, all times are looked at."""
        found = Fingerprints(self._since(since))
        order = sorted(range(len(found)), key=found.times.__getitem__)  # hardly any work: they mostly rise
        newest = order[max(len(order) - most, 0) :]
        return Fingerprints(found[at] for at in reversed(newest))

    def _since(self, since: float) -> Iterator[Fingerprint]:
        for group in self._groups(0, _ALL):
            if group.head.newest >= since:
                found = self._file.read_fingerprints(group)
                if found is None:
                    raise self._damaged(group)
                for one in found:
                    if one[1] >= since and len(one[2]) == SIZE:
                        yield one

    # -- records ------------------------------------------------------------------------------------------

    def row(self, sequence: int) -> bytes | None:
        """See `Volume.row`."""
        for group in self._groups(sequence, sequence):
            front = self._front(group)
            for at in self._within(group, sequence, sequence):
                return self._piece(front.records[at], f"the record {sequence}")
        return None

    def original(self, sequence: int) -> Original | None:
        """See `Volume.original`."""
        for group in self._groups(sequence, sequence):
            piece = self._front(group).originals.get(sequence)
            if piece is not None:
                return decode_original(self._piece(piece, f"the request of the record {sequence}"))
        return None

    def _piece(self, piece: Piece, what: str) -> bytes:
        if (data := self._file.read_piece(piece)) is None:
            raise UnreadableError(f"{what} cannot be read: {self._file.path.name} is damaged")
        return data

    # -- groups -------------------------------------------------------------------------------------------

    def _index(self) -> Index:
        """The index, with all that is committed."""
        index = self._known.get(self._file.path)
        if index is None:
            index = Index()
            for item in self._file.walk(BEGIN, self._file.size(), -1):
                index.add(item)
            self._known[self._file.path] = index
        return index

    def _groups(self, first: int, last: int) -> Iterator[Group]:
        """The groups that can have a sequence from `first` to `last`.

        Raises:
            DamagedError: some of these events cannot be read.
        """
        place, above = self._index().of_sequence(first)
        if self._latest is not None:  # who reads one after another need not look for each
            latest = self._latest[0]
            if place < latest.at and latest.head.first <= first:
                place, above = latest.at, latest.head.first - 1
        for group in self._walk(place, above, first, last):
            if group.head.first > last:
                return
            if group.head.last >= first:
                yield group

    def _walk(self, place: int, above: int, first: int = 0, last: int = _ALL) -> Iterator[Group]:
        for item in self._file.walk(place, self._index().end, above):
            if isinstance(item, Group):
                yield item
            elif item.after < last and (item.before is None or item.before > first):
                raise self._damaged(item)

    def _front(self, group: Group) -> Front:
        """What a group says of its events; the one asked for last is at hand."""
        if self._latest is None or self._latest[0].at != group.at:
            front = self._file.read_front(group)
            if front is None:
                raise self._damaged(group)
            self._latest = group, front
        return self._latest[1]

    def _damaged(self, item: Group | Damage) -> DamagedError:
        return DamagedError(f"{self._file.path.name} is damaged from byte {item.at} to {item.end}")

    def _within(self, group: Group, first: int, last: int) -> range:
        """Which events of a group have a sequence from `first` to `last`."""
        sequences = self._front(group).sequences
        return range(bisect_left(sequences, first), bisect_left(sequences, last + 1))
