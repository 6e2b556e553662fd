"""Many conditions on numbers at once: single ones by value or spelling, ranges by their bounds.

A number is given as it was read: an integer as int, one with a fraction or an exponent as its text in bytes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from router.patterns.conditions import Condition, Equals, Numeric
from router.patterns.index.finders import Finder, Merge
from router.patterns.values import Number

Item = TypeVar("Item")
C = TypeVar("C")

_Stretch = tuple[int, int, Item]
"""A range's slots, from the first to before the last, and what is posted under it."""

_MOST_EXACT = 2**53
_MOST_DIGITS = 15
_LEAST = 1e-300
"""A double that is no smaller gives back every number of up to so many digits that was rounded to it. So no
two such numbers share a double, and each is equal to the shortest for its own, which has no more digits."""
_ROOMY = 16
"""Up to so many entries for each range there may be in lists of the ranges over each slot."""

decode_double = msgspec.json.Decoder(float).decode
decode_doubles = msgspec.json.Decoder(list[float]).decode
encode_double = msgspec.json.Encoder().encode


def number_of(number: bytes | int) -> Number:
    """A number that was read, as conditions know it."""
    return Number(str(number) if isinstance(number, int) else number.decode())


def value_of(number: bytes | int) -> float | None:
    """As `Number.value`, and sooner."""
    if isinstance(number, int):
        return float(number) if -_MOST_EXACT <= number <= _MOST_EXACT else number_of(number).value
    try:
        value: float = decode_double(number)
    except msgspec.MsgspecError:  # infinite
        return None
    if encode_double(value) == number or (len(number) <= _MOST_DIGITS and abs(value) > _LEAST):
        return value
    return number_of(number).value


class Numbers(Generic[Item]):
    """What is posted under numbers and ranges of numbers."""

    def __init__(self) -> None:
        self._values: dict[float, list[Item]] = defaultdict(list)
        self._spelled: dict[str, list[Item]] = defaultdict(list)
        self._ranges: list[tuple[Numeric, Item]] = []

    def post(self, condition: Condition, item: Item) -> None:
        """Post an item under an `Equals` or `Numeric`."""
        match condition:
            case Equals(number):
                value = number.value
                if value is None:
                    self._spelled[number.text].append(item)
                else:
                    self._values[value].append(item)
            case Numeric((("=", value),)):
                self._values[value].append(item)
            case Numeric():
                self._ranges.append((condition, item))

    def finder(self, merge: Merge[Item, C]) -> Finder[C] | None:
        """A finder for numbers; None if nothing is posted."""
        if not (self._values or self._spelled or self._ranges):
            return None
        cuts = sorted({number for condition, _ in self._ranges for _, number in condition.bounds})
        stretches = [(*_slots(condition, cuts), item) for condition, item in self._ranges]
        spelled = {text: merge(items) for text, items in self._spelled.items()}
        if sum(last - first for first, last, _ in stretches) > _ROOMY * len(stretches):
            by_value = {value: merge(items) for value, items in self._values.items()}
            return _by_tree(by_value, spelled, cuts, stretches, merge)
        slots: list[list[Item]] = [[] for _ in range(2 * len(cuts) + 1)]
        for first, last, item in stretches:
            for slot in range(first, last):
                slots[slot].append(item)
        at = dict(zip(cuts, slots[1::2], strict=True))
        for value, items in self._values.items():
            at[value] = items + at.get(value, slots[2 * bisect_left(cuts, value)])
        between = [merge(items) if items else None for items in slots[::2]]
        marks = sorted(at)
        return Slots(
            {value: merge(items) if items else None for value, items in at.items()},
            [between[bisect_left(cuts, mark)] for mark in marks] + between[-1:],
            marks,
            spelled,
        )


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


@dataclass(frozen=True, slots=True)
class Slots(Generic[C]):
    """A finder with one cell at most for each number.

    Attributes:
        at: what single numbers find, all bounds among them; None for nothing.
        between: what is found by numbers between two of these, before the first, and behind the last.
        marks: these numbers, in order.
        spelled: what is found by numbers without a value.
    """

    at: Mapping[float, C | None]
    between: Sequence[C | None]
    marks: list[float]
    spelled: Mapping[str, C]

    def __call__(self, number: bytes | int) -> Sequence[C]:
        """What a number finds."""
        cell = self._cell(number)
        return () if cell is None else (cell,)

    def getter(self, others: Callable[[Any], C | None]) -> Callable[[Any], C | None]:
        """A function that gives what a number finds, None for nothing; for other values, what `others` gives.

        It is written out for the numbers that are met most often, which it would take longer to pass on.
        """
        at, between, marks, cell = self.at, self.between, self.marks, self._cell

        def get(value: Any) -> C | None:
            kind = type(value)
            if kind is bytes:
                try:
                    number = decode_double(value)
                except msgspec.MsgspecError:
                    return cell(value)
                if encode_double(number) != value:
                    return cell(value)
                if number in at:
                    return at[number]
                return between[bisect_left(marks, number)]
            return cell(value) if kind is int else others(value)

        return get

    def together(self, numbers: Sequence[Any]) -> Collection[C | None] | None:
        """What several values find; None if it takes looking them up one by one.

        That is, if they are not all numbers with a fraction or an exponent, and spelled as is usual.
        """
        try:
            text = b"[%b]" % b",".join(numbers)
            values = decode_doubles(text)
        except (TypeError, msgspec.MsgspecError):
            return None
        if encode_double(values) != text:
            return None
        values.sort()
        low, high = bisect_left(self.marks, values[0]), bisect_right(self.marks, values[-1])
        if low == high:  # no mark is among them
            return (self.between[low],)
        return {*map(self._at, values)}

    def _cell(self, number: bytes | int) -> C | None:
        """What a number finds; None for nothing."""
        value = value_of(number)
        if value is None:
            return self.spelled.get(number_of(number).text)
        return self._at(value)

    def _at(self, value: float) -> C | None:
        return self.at[value] if value in self.at else self.between[bisect_left(self.marks, value)]


def _by_tree(
    by_value: Mapping[float, C],
    spelled: Mapping[str, C],
    cuts: list[float],
    stretches: list[_Stretch[Item]],
    merge: Merge[Item, C],
) -> Finder[C]:
    """A finder whose size does not grow with ranges times slots.

    A range is posted at the fewest nodes of a binary tree over the slots that make it up (a segment tree),
    and found from a slot by going up.
    """
    size = 2 * len(cuts) + 1
    posted: dict[int, list[Item]] = defaultdict(list)
    for first, last, item in stretches:
        low, high = first + size, last + size
        while low < high:
            if low & 1:
                posted[low].append(item)
                low += 1
            if high & 1:
                high -= 1
                posted[high].append(item)
            low >>= 1
            high >>= 1
    nodes = {node: merge(items) for node, items in posted.items()}

    def find(number: bytes | int) -> Sequence[C]:
        value = value_of(number)
        if value is None:
            text = number_of(number).text
            return [spelled[text]] if text in spelled else ()
        found = [by_value[value]] if value in by_value else []
        place = bisect_left(cuts, value)
        node = size + 2 * place + (place < len(cuts) and cuts[place] == value)
        while node:
            if node in nodes:
                found.append(nodes[node])
            node >>= 1
        return found

    return find
