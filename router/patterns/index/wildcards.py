"""Many wildcards at once: what they have in common from their beginning is looked for once.

As a single wildcard does, each takes the next part at its earliest place behind the parts before it. So the
parts make a tree, and each place in it is come to once, whatever follows. Where all ways end with parts that
a value does not hold further on, they are not gone at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from router.compiled import LONG, breathe
from router.patterns.index.finders import Finder, Merge

Item = TypeVar("Item")
C = TypeVar("C")

_MOST_FINALS = 16
"""To look for more than these takes longer than to go on."""

_MANY = 20
"""Where more is looked for, signals and other threads have their turn meanwhile."""


def tester(parts: Sequence[str]) -> Callable[[str], bool]:
    """A function that tells whether a string matches a wildcard of several parts, as `Wildcard.matches`."""
    first, *inner, last = parts
    start, rest = len(first), len(last)

    def matches(value: str) -> bool:
        if not (value.endswith(last) and value.startswith(first)):
            return False
        at, end = start, len(value) - rest
        for part in inner:
            at = value.find(part, at, end) + len(part)
            if at < len(part):
                return False
        return at <= end

    return matches


class Wildcards(Generic[Item]):
    """What is posted under wildcards, by their first and last parts."""

    def __init__(self) -> None:
        self._between: dict[tuple[str, str], _Place[Item]] = defaultdict(_Place)

    def post(self, parts: Sequence[str], item: Item) -> None:
        """Post an item under a wildcard of several parts."""
        first, *inner, last = parts
        place = self._between[first, last]
        for part in inner:
            place = place.further[part]
        place.here.append(item)

    def finder(self, merge: Merge[Item, C]) -> Finder[C]:
        """A finder for strings."""
        between = [(*ends, _steps(place, merge)) for ends, place in self._between.items()]

        def find(value: str) -> Sequence[C]:
            found: list[C] = []
            last_place = _LastPlaces(value)
            if len(between) > _MANY:
                breathe()
            for first, last, step in between:
                if value.startswith(first) and value.endswith(last):
                    found += _behind(step, value, len(first), len(value) - len(last), last_place)
            return found

        return find


class _LastPlaces(dict[str, int]):
    """Where parts begin in a value for the last time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, part: str) -> int:
        place = self[part] = self._value.rfind(part)
        return place


def _behind(step: _Step[C], value: str, start: int, end: int, last_places: _LastPlaces) -> list[C]:
    """What a value finds from a step, between two places."""
    found: list[C] = []
    waiting = [(step, start)] if start <= end else []
    is_long = len(value) > LONG
    while waiting:
        step, at = waiting.pop()
        if len(step.further) > _MANY:
            breathe()
        found += step.here
        if step.finals and max(map(last_places.__getitem__, step.finals)) < at:
            continue
        for part, further in step.further:
            if is_long:
                breathe()
            place = value.find(part, at, end)
            if place >= 0:
                waiting.append((further, place + len(part)))
    return found


class _Place(Generic[Item]):
    """What is posted behind some parts.

    Attributes:
        here: if there is no further part.
        further: behind one more part.
    """

    __slots__ = ("further", "here")

    def __init__(self) -> None:
        self.here: list[Item] = []
        self.further: dict[str, _Place[Item]] = defaultdict(_Place)


class _Step(Generic[C]):
    """A place, ready to be asked.

    Attributes:
        here: what is found here.
        further: the steps behind one more part.
        ways: how many ways end here or further on.
        finals: the parts with which the ways further on end; none if it does not pay to look for them.
    """

    __slots__ = ("finals", "further", "here", "ways")

    def __init__(self, here: list[C], further: list[tuple[str, _Step[C]]], finals: set[str]) -> None:
        self.here = here
        self.further = further
        beyond = sum(step.ways for _, step in further)
        self.ways: int = len(here) + beyond
        self.finals = tuple(finals) if len(finals) <= min(_MOST_FINALS, beyond - 1) else ()


def _steps(place: _Place[Item], merge: Merge[Item, C]) -> _Step[C]:
    """The steps from a place. Without recursion: a wildcard may have very many parts."""
    places = [place]
    for one in places:
        places += one.further.values()
    steps: dict[_Place[Item], _Step[C]] = {}
    finals: dict[_Place[Item], set[str]] = {}
    for one in reversed(places):
        further = [(part, steps[next_one]) for part, next_one in one.further.items()]
        finals[one] = {part for part, next_one in one.further.items() if next_one.here}
        finals[one].update(*(finals.pop(next_one) for next_one in one.further.values()))
        steps[one] = _Step([merge(one.here)] if one.here else [], further, finals[one])
    return steps[place]
