"""Many fingerprints in little memory: 32 bytes each, where a list of tuples takes six times as much."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

Fingerprint = tuple[int, float, bytes]
"""Sequence, when it was received (seconds since the epoch), and 16 bytes."""

SIZE = 16
"""How many bytes one has."""


class Fingerprints(Sequence[Fingerprint]):
    """An immutable row of fingerprints.

    Attributes:
        times: when they were received, seconds since the epoch.
    """

    __slots__ = ("_bytes", "_sequences", "times")

    def __init__(self, entries: Iterable[Fingerprint] = ()) -> None:
        self._sequences = array("q")
        self.times = array("d")
        self._bytes = bytearray()
        for sequence, received, fingerprint in entries:
            self._sequences.append(sequence)
            self.times.append(received)
            self._bytes += fingerprint

    def __len__(self) -> int:
        return len(self._sequences)

    @overload
    def __getitem__(self, index: int) -> Fingerprint: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Fingerprint]: ...

    def __getitem__(self, index: int | slice) -> Fingerprint | Sequence[Fingerprint]:
        if isinstance(index, slice):
            return Fingerprints(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        return self._sequences[at], self.times[at], bytes(self._bytes[at * SIZE : (at + 1) * SIZE])
