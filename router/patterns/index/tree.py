"""All patterns in one tree: what an event passes on the way down, it passes for every pattern below.

A branch of a pattern is a set of tests, one for each of its fields, and all must pass. At a node of the
tree every branch below is posted under one of its tests, that which the fewest events should pass; the
tests of one field are looked up together. So an event meets the branches that it may match and not the
others, however many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from router.patterns.conditions import Condition, Exists
from router.patterns.index.lookup import Lookup, as_value, flat, openness

_FEW = 3
"""So few branches are rather asked one by one."""

FieldValues = Sequence[Sequence[Any]]
"""The values of each field, by its number."""


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """What a field is asked. Every test of an index is made once.

    Attributes:
        field: the field's number.
        conditions: of which one has to hold.
        absence: whether it passes where there is no value.
        openness: how many of the conditions most values meet, or nearly.
    """

    field: int
    conditions: tuple[Condition, ...]
    absence: bool
    openness: int

    @classmethod
    def of(cls, field: int, conditions: tuple[Condition, ...]) -> Test:
        """The test of a field by these conditions."""
        absence = any(isinstance(one, Exists) and not one.wanted for one in conditions)
        return cls(field, conditions, absence, sum(map(openness, conditions)))

    def passes(self, fields: FieldValues) -> bool:
        """Whether it passes, whatever array elements the values stand in."""
        values = flat(fields[self.field])
        if not values:
            return self.absence
        return any(condition.matches(as_value(value)) for value in values for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Way:
    """A branch, and those of its tests that are still ahead."""

    branch: int
    tests: frozenset[Test]


class Node:
    """A place in the tree: the tests on the way to it have passed."""

    __slots__ = ("_branches", "_few", "_lookups")

    def __init__(self, ways: Iterable[Way], few: int = _FEW) -> None:
        ahead = [way for way in ways if way.tests]
        self._branches = tuple(way.branch for way in ways if not way.tests)
        self._few: tuple[Way, ...] = ()
        self._lookups: tuple[tuple[int, Lookup[Node]], ...] = ()
        if len(ahead) <= few:
            self._few = tuple(ahead)
        else:
            self._lookups = _lookups(ahead)

    def collect(self, fields: FieldValues, found: list[int]) -> None:
        """Add the branches here and below whose tests all pass."""
        found += self._branches
        for way in self._few:
            if all(test.passes(fields) for test in way.tests):
                found.append(way.branch)
        for field, lookup in self._lookups:
            for node in lookup.find(fields[field]):
                node.collect(fields, found)


def _lookups(ways: list[Way]) -> tuple[tuple[int, Lookup[Node]], ...]:
    """For each field, the nodes behind those of its tests that are asked first."""
    costs = _costs(ways)
    behind: dict[Test, list[Way]] = defaultdict(list)
    for way in ways:
        first = min(way.tests, key=costs.__getitem__)
        behind[first].append(Way(way.branch, way.tests - {first}))
    by_field: dict[int, list[tuple[tuple[Condition, ...], Node]]] = defaultdict(list)
    for test, beyond in behind.items():
        by_field[test.field].append((test.conditions, Node(beyond)))
    return tuple((field, Lookup(tests)) for field, tests in by_field.items())


def _costs(ways: list[Way]) -> dict[Test, tuple[float, int]]:
    """Roughly the share of events that pass each test: small where the field has many others.

    Ties go by field, so that branches which ask the same go the same way.
    """
    tests = {test for way in ways for test in way.tests}
    rivals: dict[int, int] = defaultdict(int)
    for test in tests:
        rivals[test.field] += not test.openness
    return {
        test: (test.openness + len(test.conditions) / (1 + rivals[test.field]), test.field) for test in tests
    }
