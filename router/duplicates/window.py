"""The newest fingerprints, in bounded memory: some 50 MB for a million. Pure.

Entries stand in a ring, oldest first, and are found through two hash tables of places in that ring: one by
what the whole event is, one by its source and id. A dict of Python's would take several times the memory.
"""

from __future__ import annotations

import secrets
import struct
from array import array
from typing import NamedTuple

_SMALLEST = 1_024
_WORD = 0xFFFF_FFFF_FFFF_FFFF


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

    Attributes:
        most: as it was given.
        cut_short: how many entries had to go before their time, because there were too many.
    """

    def __init__(self, seconds: float, most: int = 1_000_000) -> None:
        self.most = most
        self.cut_short = 0
        self._seconds = seconds
        self._salt = secrets.randbits(64) | 1  # so that no stranger can choose ids that crowd one place
        self._first = self._count = 0
        size = min(_SMALLEST, most)
        self._sequences, self._times = _ring(size)
        self._names, self._wholes = _Table(size, self._salt), _Table(size, self._salt)

    def __len__(self) -> int:
        """How many fingerprints it holds."""
        return self._count

    def find(self, fingerprint: bytes, now: float) -> Finding:
        """What is known of a fingerprint (16 bytes) at `now` (seconds since the epoch)."""
        if self._count and now - self._times[self._first] > self._seconds:
            self._expire(now)
        name, whole = _halves(fingerprint)
        other = self._names.find(name)
        if other is None:
            return _UNKNOWN
        place = self._wholes.find(whole)
        if place is None:
            return _CONFLICTING
        return Finding(self._sequences[place], self._wholes.keys[other] != whole)

    def add(self, fingerprint: bytes, sequence: int, received: float) -> None:
        """Remember an event's fingerprint (16 bytes); `received` is in seconds since the epoch."""
        if self._count and received - self._times[self._first] > self._seconds:
            self._expire(received)
        if self._count == self.most:
            self.cut_short += 1
            self._drop_first()
        if self._count == len(self._times):
            self._resize(min(2 * self._count, self.most))
        place = self._first + self._count
        if place >= len(self._times):
            place -= len(self._times)
        self._count += 1
        self._sequences[place], self._times[place] = sequence, received
        name, whole = _halves(fingerprint)
        self._names.put(name, place)
        self._wholes.put(whole, place)

    def _expire(self, now: float) -> None:
        while self._count and now - self._times[self._first] > self._seconds:
            self._drop_first()

    def _drop_first(self) -> None:
        self._names.remove(self._first)
        self._wholes.remove(self._first)
        self._first = (self._first + 1) % len(self._times)
        self._count -= 1

    def _resize(self, size: int) -> None:
        """Make a ring with `size` places, and put into it what there is."""
        places = [(self._first + n) % len(self._times) for n in range(self._count)]
        sequences, times = _ring(size)
        names, wholes = _Table(size, self._salt), _Table(size, self._salt)
        for place, old in enumerate(places):
            sequences[place], times[place] = self._sequences[old], self._times[old]
            names.put(self._names.keys[old], place)
            wholes.put(self._wholes.keys[old], place)
        self._sequences, self._times, self._names, self._wholes = sequences, times, names, wholes
        self._first = 0


class _Table:
    """Finds the newest place of a key: open addressing with linear probing (Knuth, TAOCP 3, section 6.4).

    Attributes:
        keys: the key of each place, 64 bits.
    """

    __slots__ = ("_mask", "_salt", "_shift", "_slots", "keys")

    def __init__(self, places: int, salt: int) -> None:
        bits = (2 * places - 1).bit_length()
        self._shift, self._mask = 64 - bits, (1 << bits) - 1
        self._salt = salt
        self._slots = array("I", bytes(4 << bits))
        """Places, counted from 1; 0 is an empty slot. At most half of them are taken."""
        self.keys = array("Q", bytes(8 * places))

    def find(self, key: int) -> int | None:
        """The newest place with this key."""
        # As `_slot` has it; written out, because each event asks here twice.
        slots, keys = self._slots, self.keys
        slot = ((key * self._salt) & _WORD) >> self._shift
        while taken := slots[slot]:
            if keys[taken - 1] == key:
                return taken - 1
            slot = (slot + 1) & self._mask
        return None

    def put(self, key: int, place: int) -> None:
        """Let a key be found at a place; what else was found by it is no longer."""
        self.keys[place] = key
        self._slots[self._slot(key)] = place + 1

    def remove(self, place: int) -> None:
        """Forget a place, if it is still the newest of its key."""
        slot = self._slot(self.keys[place])
        if self._slots[slot] == place + 1:
            self._close(slot)

    def _slot(self, key: int) -> int:
        """Where this key stands, or would."""
        slots, keys = self._slots, self.keys
        slot = self._home(key)
        while (taken := slots[slot]) and keys[taken - 1] != key:
            slot = (slot + 1) & self._mask
        return slot

    def _home(self, key: int) -> int:
        return ((key * self._salt) & _WORD) >> self._shift

    def _close(self, hole: int) -> None:
        """Empty a slot, and move up what was displaced by it (algorithm R)."""
        slots, mask = self._slots, self._mask
        slot = hole
        while taken := slots[slot := (slot + 1) & mask]:
            if (slot - self._home(self.keys[taken - 1])) & mask >= (slot - hole) & mask:
                slots[hole] = taken
                hole = slot
        slots[hole] = 0


def _ring(size: int) -> tuple[array[int], array[float]]:
    return array("Q", bytes(8 * size)), array("d", bytes(8 * size))


_halves = struct.Struct(">QQ").unpack
"""What tells source and id, and what tells the whole event."""
