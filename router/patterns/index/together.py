"""Tests of all fields at once: which of them pass is known as soon as the values are met.

The tree asks behind a test what else has to pass, and keeps the values for that. Where most events pass the
first tests of patterns, as they do where those ask for context attributes, it takes less time to look up in
the one pass over the event which tests pass, and to remember what these lead to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from router.patterns.conditions import Equals, Exact, Exists, Literal
from router.patterns.index.lookup import Conditions, Lookup
from router.patterns.index.tree import Hit, Node, Root, Test

_MOST = 500
"""So many tests of one field may pass for one value, and of all fields where there is none. With more, it is
better to ask what the tree wants."""


@dataclass(frozen=True, slots=True)
class Together:
    """What is asked in one pass.

    Attributes:
        lookups: for each field what is found by its values; None for a field that is `keyed` only.
        absences: each test that absence passes, the test that fails then, and what is behind the first at the
            root.
    """

    lookups: tuple[Lookup[Hit] | None, ...]
    absences: tuple[tuple[Test, Test, Node | None], ...]

    @classmethod
    def of(cls, root: Root) -> Together | None:
        """All tests from this root on; None if too many may pass for one value, or where there is none."""
        by_field: dict[int, dict[Test, None]] = defaultdict(dict)
        absences = []
        for test in _tests(root):
            by_field[test.field][test] = None
            if test.absence:
                presence = Test.of(test.field, (Exists(wanted=True),))
                by_field[test.field][presence] = None
                absences.append((test, presence, root.nodes.get(test)))
        if len(absences) > _MOST or any(_most_passing(tests) > _MOST for tests in by_field.values()):
            return None
        lookups: list[Lookup[Hit] | None] = [None] * len(root.lookups)
        for field, tests in by_field.items():
            lookups[field] = Lookup([(test.conditions, (test, root.nodes.get(test))) for test in tests], _hit)
        return cls(tuple(lookups), tuple(absences))

    def resolved(self, hit: Hit) -> Hit:
        """The branches to which all that was found leads."""
        if not (hit.nodes or self.absences):
            return hit
        passed, nodes = {*hit.passed}, [*hit.nodes]
        for test, presence, node in self.absences:
            if presence not in passed:
                passed.add(test)
                nodes += [node] if node else []
        found = {*hit.branches}
        for node in nodes:
            node.resolve(passed, found)
        return Hit(found, ())


def _tests(root: Root) -> Iterator[Test]:
    """All tests, each once."""
    tests = dict.fromkeys(root.nodes)
    for node in root.nodes.values():
        for way in node.ahead:
            tests.update(dict.fromkeys(way.tests))
    return iter(tests)


def _hit(items: Sequence[tuple[Test, Node | None]]) -> Hit:
    return Hit.of([node for _, node in items if node], [test for test, _ in items])


def _most_passing(tests: Iterable[Test]) -> int:
    """At most so many of these tests of one field pass for one value."""
    named = Counter(one for test in tests if _names_values(test.conditions) for one in {*test.conditions})
    return sum(not _names_values(test.conditions) for test in tests) + max(named.values(), default=0)


def _names_values(conditions: Conditions) -> bool:
    return all(isinstance(one, Exact | Equals | Literal) for one in conditions)
