"""Many conditions on numbers at once: single ones by value or spelling, ranges by their bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from router.patterns.conditions import Condition, Equals, Numeric
from router.patterns.index.finders import Finder
from router.patterns.values import Number

T = TypeVar("T")

_Stretch = tuple[int, int, T]
"""A range's slots, from the first to before the last, and what is posted under it."""

_MOST_EXACT = 2**53
_ROOMY = 16
"""Up to so many entries for each range a table may have that lists, for each slot, the ranges over it."""

_encode = msgspec.json.Encoder().encode


def value_of(number: Number | int) -> float | None:
    """As `Number.value`, and sooner."""
    if isinstance(number, int):
        return float(number) if -_MOST_EXACT <= number <= _MOST_EXACT else Number(str(number)).value
    value = float(number.text)
    if _encode(value) == number.text.encode():  # it writes the shortest text, as `repr` does
        return value
    return number.value


class Numbers(Generic[T]):
    """What is posted under numbers and ranges of numbers."""

    def __init__(self) -> None:
        self._values: dict[float, list[T]] = defaultdict(list)
        self._spelled: dict[str, list[T]] = defaultdict(list)
        self._ranges: list[tuple[Numeric, T]] = []

    def post(self, condition: Condition, item: T) -> None:
        """Post an item under an `Equals` or `Numeric`."""
        match condition:
            case Equals(number):
                value = number.value
                if value is None:
                    self._spelled[number.text].append(item)
                else:
                    self._values[value].append(item)
            case Numeric(((("="), value),)):
                self._values[value].append(item)
            case Numeric():
                self._ranges.append((condition, item))

    def finder(self) -> Finder[T] | None:
        """A finder for numbers; None if nothing is posted."""
        if not (self._values or self._spelled or self._ranges):
            return None
        by_value, spelled = self._by_value(), dict(self._spelled)

        def find(number: Number | int) -> Sequence[T]:
            value = value_of(number)
            if value is None:
                return spelled.get(str(number) if isinstance(number, int) else number.text, ())
            return by_value(value)

        return find

    def _by_value(self) -> Callable[[float], Sequence[T]]:
        values = dict(self._values)
        if not self._ranges:
            return lambda value: values.get(value, ())
        cuts = sorted({number for condition, _ in self._ranges for _, number in condition.bounds})
        stretches = [(*_slots(condition, cuts), item) for condition, item in self._ranges]
        if sum(last - first for first, last, _ in stretches) > _ROOMY * len(stretches):
            return _by_tree(values, cuts, stretches)
        return _by_slot(values, cuts, stretches)


def _slots(condition: Numeric, cuts: list[float]) -> tuple[int, int]:
    """A range's slots, from the first to before the last.

    The cuts make slots of all numbers: the first before the first cut, the second that cut itself, the third
    from there to the second cut, and so on.
    """
    first, last = 0, 2 * len(cuts) + 1
    for comparator, number in condition.bounds:
        slot = 2 * bisect_left(cuts, number) + 1
        if comparator.startswith(">"):
            first = slot + (comparator == ">")
        else:
            last = slot + (comparator == "<=")
    return first, last


def _by_slot(
    values: dict[float, list[T]], cuts: list[float], stretches: list[_Stretch[T]]
) -> Callable[[float], Sequence[T]]:
    """A finder that has a list for each slot."""
    slots: list[list[T]] = [[] for _ in range(2 * len(cuts) + 1)]
    for first, last, item in stretches:
        for slot in range(first, last):
            slots[slot].append(item)
    between = slots[::2]
    at = dict(zip(cuts, slots[1::2], strict=True))
    for value, items in values.items():
        at[value] = items + at.get(value, between[bisect_left(cuts, value)])

    def find(value: float) -> Sequence[T]:
        found = at.get(value)
        return between[bisect_left(cuts, value)] if found is None else found

    return find


def _by_tree(
    values: dict[float, list[T]], cuts: list[float], stretches: list[_Stretch[T]]
) -> Callable[[float], Sequence[T]]:
    """A finder whose size does not grow with ranges times slots.

    A range is posted at the fewest nodes of a binary tree over the slots that make it up (a segment
    tree), and found from a slot by going up.
    """
    size = 2 * len(cuts) + 1
    nodes: dict[int, list[T]] = defaultdict(list)
    for first, last, item in stretches:
        low, high = first + size, last + size
        while low < high:
            if low & 1:
                nodes[low].append(item)
                low += 1
            if high & 1:
                high -= 1
                nodes[high].append(item)
            low >>= 1
            high >>= 1

    def find(value: float) -> Sequence[T]:
        found = list(values.get(value, ()))
        place = bisect_left(cuts, value)
        node = size + 2 * place + (place < len(cuts) and cuts[place] == value)
        while node:
            found += nodes.get(node, ())
            node >>= 1
        return found

    return find
