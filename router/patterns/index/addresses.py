"""Many IP addresses and blocks of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, TypeVar

from router.patterns.conditions import Address, Cidr, Condition
from router.patterns.index.finders import Finder
from router.patterns.values import address_of

T = TypeVar("T")

Block = tuple[int, int, int]
"""IP version, how many low bits are free, and the bits above them; an address has no free bits."""


class Addresses(Generic[T]):
    """What is posted under addresses and blocks."""

    def __init__(self) -> None:
        self._blocks: dict[Block, list[T]] = defaultdict(list)

    def post(self, condition: Condition, item: T) -> None:
        """Post an item under an `Address` or `Cidr`."""
        match condition:
            case Address(address):
                self._blocks[address.version, 0, int(address)].append(item)
            case Cidr(network):
                free = network.max_prefixlen - network.prefixlen
                self._blocks[network.version, free, int(network.network_address) >> free].append(item)

    def finder(self) -> Finder[T] | None:
        """A finder for strings; None if nothing is posted."""
        if not self._blocks:
            return None
        blocks = dict(self._blocks)
        sizes = sorted({(version, free) for version, free, _ in blocks})

        def find(value: str) -> Sequence[T]:
            address = address_of(value)
            if address is None:
                return ()
            version, bits = address.version, int(address)
            found: list[T] = []
            for of_version, free in sizes:
                if of_version == version:
                    found += blocks.get((version, free, bits >> free), ())
            return found

        return find
