"""The newest fingerprints, in bounded memory: some 50 MB for a million. Pure.

Entries stand in a ring, oldest first, and are found by their names through a hash table of places in that
ring. Few events share their name with another event: what such a one takes the place of is found through a
second table, by its whole fingerprint. A dict of Python's would take several times the memory.

`window.pxd` says what all this is to C, where it is compiled: it costs a quarter then.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_SMALLEST = 1_024


class Finding(NamedTuple):
    """What the window knows of a fingerprint.

    Attributes:
        sequence: of the newest event with this fingerprint; None if there is none.
        conflict: whether the newest event with this source and id was another one.
    """

    sequence: int | None
    conflict: bool


_UNKNOWN = Finding(None, conflict=False)
_CONFLICTING = Finding(None, conflict=True)


class Window:
    """Fingerprints of the last `seconds`, at most `most` of them (1 or more).

    A fingerprint has 16 bytes: 8 that are the event's name, its source and id, then 8 that tell the rest. It
    is known by hashes of these bytes, which Python salts (PEP 456): no stranger can choose ids that crowd
    one place.

    Attributes:
        most: as it was given.
        cut_short: how many entries had to go before their time, because there were too many.
    """

    def __init__(self, seconds: float, most: int = 1_000_000) -> None:
        self.most = most
        self.cut_short = 0
        self._seconds = seconds
        self._make(min(_SMALLEST, most))

    def _make(self, size: int) -> None:
        """Make an empty ring with so many places."""
        self._size = size
        self._first = self._count = 0
        self._sequences, self._times = array("Q", bytes(8 * size)), array("d", bytes(8 * size))
        self._names, self._wholes = _Table(size), _Table(size)

    def __len__(self) -> int:
        """How many fingerprints it holds."""
        return self._count

    def has_none_of(self, fingerprints: Iterable[bytes]) -> bool:
        """Whether no event with the name of one of these is known: so it is of nearly all that come.

        Where it says no, `find` knows better: that event's time may be over.
        """
        slots, keys, mask = self._names.slots, self._names.keys, self._names.mask
        for fingerprint in fingerprints:
            name = hash(fingerprint[:8])
            slot = name & mask
            while taken := slots[slot]:
                if keys[taken - 1] == name:
                    return False
                slot = (slot + 1) & mask
        return True

    def find(self, fingerprint: bytes, now: float) -> Finding:
        """What is known of a fingerprint at `now` (seconds since the epoch)."""
        self._expire(now)
        newest = self._names.find(hash(fingerprint[:8]))
        if newest is None:
            return _UNKNOWN
        whole = hash(fingerprint)
        if self._wholes.keys[newest] == whole:
            return Finding(self._sequences[newest], conflict=False)
        place = self._wholes.find(whole)
        return _CONFLICTING if place is None else Finding(self._sequences[place], conflict=True)

    def add(self, fingerprints: Sequence[bytes], sequences: Sequence[int], times: Sequence[float]) -> None:
        """Remember events, one or more: their fingerprints, and when they came (seconds since the epoch)."""
        self._expire(times[-1])
        if (excess := len(fingerprints) - self.most) > 0:
            self.cut_short += excess
            fingerprints, sequences, times = fingerprints[excess:], sequences[excess:], times[excess:]
        self._make_room(len(fingerprints))
        names = [hash(fingerprint[:8]) for fingerprint in fingerprints]
        self._enter(names, list(map(hash, fingerprints)), sequences, times)

    def _enter(
        self, names: Sequence[int], wholes: Sequence[int], sequences: Sequence[int], times: Sequence[float]
    ) -> None:
        """Put entries, for which there is room, behind the last one."""
        slots, keys, mask = self._names.slots, self._names.keys, self._names.mask
        ring, whens, rest, size = self._sequences, self._times, self._wholes.keys, self._size
        place = (self._first + self._count) % size
        self._count += len(names)
        for name, whole, sequence, received in zip(names, wholes, sequences, times, strict=True):
            keys[place], rest[place], ring[place], whens[place] = name, whole, sequence, received
            place += 1  # counted from 1 now, as slots count
            slot = name & mask
            while (taken := slots[slot]) and keys[taken - 1] != name:
                slot = (slot + 1) & mask
            slots[slot] = place
            if taken and rest[taken - 1] != whole:
                self._wholes.put(taken - 1)
            if place == size:
                place = 0

    def _expire(self, now: float) -> None:
        """Forget those whose time is over."""
        times, seconds, size = self._times, self._seconds, self._size
        place, left = self._first, self._count
        while left and now - times[place] > seconds:
            place = place + 1 if place + 1 < size else 0
            left -= 1
        if left != self._count:
            self._drop(self._count - left)

    def _make_room(self, more: int) -> None:
        """Let so many more have room, `most` at most: in a larger ring, or instead of the oldest."""
        wanted = self._count + more
        if wanted > self.most:
            self.cut_short += wanted - self.most
            self._drop(wanted - self.most)
        if wanted > self._size < self.most:
            self._resize(min(max(2 * self._size, wanted), self.most))

    def _resize(self, size: int) -> None:
        """Make a larger ring, and put into it what there is, the oldest first."""
        names, wholes, sequences, times = self._names.keys, self._wholes.keys, self._sequences, self._times
        first, end = self._first, self._first + self._count
        turn = min(end, self._size)
        self._make(size)
        for begin, stop in ((first, turn), (0, end - turn)):
            self._enter(names[begin:stop], wholes[begin:stop], sequences[begin:stop], times[begin:stop])

    def _drop(self, count: int) -> None:
        """Forget so many, the oldest first."""
        slots, keys, mask = self._names.slots, self._names.keys, self._names.mask
        place = self._first
        for _ in range(count):
            slot = keys[place] & mask
            place += 1  # counted from 1 now, as slots count
            while (taken := slots[slot]) and taken != place:
                slot = (slot + 1) & mask
            if not taken:  # it is not the newest of its name
                self._wholes.remove(place - 1)
            elif slots[(slot + 1) & mask]:
                self._names.close(slot)
            else:
                slots[slot] = 0
            if place == self._size:
                place = 0
        self._first = place
        self._count -= count


class _Table:
    """Finds the newest place of a key: open addressing with linear probing (Knuth, TAOCP 3, section 6.4).

    Where each event would pay for a call, `Window` goes through it by itself.

    Attributes:
        keys: the key of each place, a hash.
        slots: places, counted from 1; 0 is an empty slot. At most half of them are taken.
        mask: a key's place is looked for from the slot `key & mask` on.
    """

    __slots__ = ("keys", "mask", "slots")

    def __init__(self, places: int) -> None:
        bits = (2 * places - 1).bit_length()
        self.mask = (1 << bits) - 1
        self.slots = array("I", bytes(4 << bits))
        self.keys = array("q", bytes(8 * places))

    def find(self, key: int) -> int | None:
        """The newest place with this key."""
        taken = self.slots[self._slot(key)]
        return taken - 1 if taken else None

    def put(self, place: int) -> None:
        """Let a place be found by its key; what else was found by it is no longer."""
        self.slots[self._slot(self.keys[place])] = place + 1

    def remove(self, place: int) -> None:
        """Forget a place, if it is what is found by its key."""
        slot = self._slot(self.keys[place])
        if self.slots[slot] == place + 1:
            self.close(slot)

    def _slot(self, key: int) -> int:
        """Where this key stands, or would."""
        slots, keys, mask = self.slots, self.keys, self.mask
        slot = key & mask
        while (taken := slots[slot]) and keys[taken - 1] != key:
            slot = (slot + 1) & mask
        return slot

    def close(self, hole: int) -> None:
        """Empty a slot, and move up what was displaced by it (algorithm R)."""
        slots, keys, mask = self.slots, self.keys, self.mask
        slot = (hole + 1) & mask
        while taken := slots[slot]:
            if (slot - (keys[taken - 1] & mask)) & mask >= (slot - hole) & mask:
                slots[hole] = taken
                hole = slot
            slot = (slot + 1) & mask
        slots[hole] = 0
