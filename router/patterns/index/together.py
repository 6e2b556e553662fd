"""Tests of several fields at once: which pass is known as soon as the values are met.

The tree asks behind a test what else has to pass, and keeps the values for that. Where most events pass the
first test of some pattern, as its context attributes mostly are, it takes less time to look up in all fields
which tests pass, in the one pass over the event, and to remember what these lead to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.patterns.conditions import Condition, Equals, Exact, Literal
from router.patterns.index.lookup import Lookup
from router.patterns.index.tree import Hit, Node, Root, Test

_MOST = 64
"""So many tests of one field may pass for one value. A field with more is asked as the tree wants it."""


@dataclass(frozen=True, slots=True)
class Together:
    """What is asked of an event in one pass.

    Attributes:
        lookups: for each field what is found by its values; None for one that is not asked.
        unasked: the fields of which there are tests that are not asked.
    """

    lookups: tuple[Lookup[Hit] | None, ...]
    unasked: frozenset[int]

    @classmethod
    def of(cls, root: Root) -> Together:
        """All tests from this root on, of all fields that have few, and none that absence passes."""
        by_field: dict[int, set[Test]] = defaultdict(set)
        for first, node in root.nodes.items():
            for test in (first, *(test for way in node.ahead for test in way.tests)):
                by_field[test.field].add(test)
        few = {
            field: tests
            for field, tests in by_field.items()
            if _most_passing(tests) <= _MOST and not any(test.absence for test in tests)
        }
        lookups = [*root.lookups]
        for field, tests in few.items():
            lookups[field] = Lookup([(test.conditions, (test, root.nodes.get(test))) for test in tests], _hit)
        return cls(tuple(lookups), frozenset(by_field.keys() - few.keys()))


def _hit(items: Sequence[tuple[Test, Node | None]]) -> Hit:
    return Hit.of([node for _, node in items if node], [test for test, _ in items])


def _most_passing(tests: Iterable[Test]) -> int:
    """At most so many of these tests of a field pass for one value."""
    named = Counter(one for test in tests for one in {*test.conditions} if _is_one_value(one))
    others = sum(not all(map(_is_one_value, test.conditions)) for test in tests)
    return others + max(named.values(), default=0)


def _is_one_value(condition: Condition) -> bool:
    return isinstance(condition, Exact | Equals | Literal)
