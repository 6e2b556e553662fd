"""Many IP addresses and blocks of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, TypeVar

from router.patterns.conditions import Address, Cidr, Condition
from router.patterns.index.finders import Finder, Merge
from router.patterns.values import address_of

Item = TypeVar("Item")
C = TypeVar("C")

Block = tuple[int, int, int]
"""IP version, how many low bits are free, and the bits above them; an address has no free bits."""


class Addresses(Generic[Item]):
    """What is posted under addresses and blocks."""

    def __init__(self) -> None:
        self._blocks: dict[Block, list[Item]] = defaultdict(list)

    def post(self, condition: Condition, item: Item) -> None:
        """Post an item under an `Address` or `Cidr`."""
        match condition:
            case Address(address):
                self._blocks[address.version, 0, int(address)].append(item)
            case Cidr(network):
                free = network.max_prefixlen - network.prefixlen
                self._blocks[network.version, free, int(network.network_address) >> free].append(item)

    def finder(self, merge: Merge[Item, C]) -> Finder[C] | None:
        """A finder for strings; None if nothing is posted."""
        if not self._blocks:
            return None
        cells = {block: merge(items) for block, items in self._blocks.items()}
        sizes = sorted({(version, free) for version, free, _ in cells})

        def find(value: str) -> Sequence[C]:
            address = address_of(value)
            if address is None:
                return ()
            bits = int(address)
            blocks = [(version, free, bits >> free) for version, free in sizes if version == address.version]
            return [cells[block] for block in blocks if block in cells]

        return find
