"""All patterns in one tree: what an event passes on the way down, it passes for every pattern below.

A branch of a pattern is a set of tests, one for each of its fields, and all must pass. At a node of the tree
every branch below is posted under one of its tests, that which the fewest events should pass; the tests of
one field are looked up together. So an event meets the branches that it may match and not the others,
however many there are.

A node asks about the values of an event (`collect`), or, where the tests were asked before, which of them
pass (`resolve`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from router.patterns.conditions import Condition, Equals, Exact, Exists, Numeric
from router.patterns.index.lookup import Lookup, openness
from router.patterns.index.numbers import number_of

_FEW = 3
"""So few branches are rather asked one by one."""
_GO_ON = 15
_READ = {False: 1, True: 3}
"""Going on behind a test, and reading a string and a number: how long it takes, roughly, in 100 ns."""
_PICKED = 0.2
"""The share of events that have one certain value."""
_FRACTION = 0.1
"""How often a number with a fraction is met, against other values."""

Met = Mapping[int, Sequence[Any]]
"""The scalars of each field that is asked for, by its number; numbers as they were read."""


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """What a field is asked. Every test of an index is made once.

    Attributes:
        field: the field's number.
        conditions: of which one has to hold.
        absence: whether it passes where there is no value.
        openness, picks: the share of values that pass, roughly: `openness`, and as many as `picks` picks out.
        numeric: whether it asks about numbers.
        texts: strings that pass; all of them if `plain`.
        plain: whether nothing but `texts` passes.
    """

    field: int
    conditions: tuple[Condition, ...]
    absence: bool
    openness: float
    picks: float
    numeric: bool
    texts: frozenset[str]
    plain: bool

    @classmethod
    def of(cls, field: int, conditions: tuple[Condition, ...]) -> Test:
        """The test of a field by these conditions."""
        return cls(
            field,
            conditions,
            absence=any(isinstance(one, Exists) and not one.wanted for one in conditions),
            openness=sum(map(openness, conditions)),
            picks=sum(_FRACTION if _is_fraction(one) else 1 for one in conditions if not openness(one)),
            numeric=any(isinstance(one, Equals | Numeric) for one in conditions),
            texts=frozenset(one.text for one in conditions if isinstance(one, Exact)),
            plain=all(isinstance(one, Exact) for one in conditions),
        )

    def passes(self, met: Met) -> bool:
        """Whether it passes, whatever array elements the values stand in."""
        values = met[self.field]
        if not values:
            return self.absence
        for value in values:  # noqa: SIM110 -- a generator would cost as much as the answer
            if self.holds(value):
                return True
        return False

    def holds(self, value: Any) -> bool:
        """Whether it passes for one value."""
        if isinstance(value, str):
            if value in self.texts:
                return True
            if self.plain:
                return False
        elif type(value) in (int, bytes):
            value = number_of(value)
        return any(condition.matches(value) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Way:
    """A branch, and those of its tests that are still ahead."""

    branch: int
    tests: frozenset[Test]


class Node:
    """A place in the tree: the tests on the way to it have passed.

    Attributes:
        branches: those that have no further tests.
        ahead: those that have, and those tests.
    """

    __slots__ = ("_behind", "_lookups", "ahead", "branches")

    def __init__(self, ways: Sequence[Way]) -> None:
        self.branches = tuple(way.branch for way in ways if not way.tests)
        self.ahead = tuple(way for way in ways if way.tests)
        self._behind = nodes_of(self.ahead) if len(self.ahead) > _FEW else {}
        self._lookups = _lookups(self._behind)

    def collect(self, met: Met, found: set[int]) -> None:
        """Add the branches here and below whose tests all pass."""
        found.update(self.branches)
        if not self._lookups:
            for way in self.ahead:
                for test in way.tests:
                    if not test.passes(met):
                        break
                else:
                    found.add(way.branch)
        for field, lookup in self._lookups.items():
            hits = lookup.find(met[field])
            if hits:
                Hit.together(hits).collect(met, found)

    def resolve(self, passed: AbstractSet[Test], found: set[int]) -> None:
        """As `collect`, by the tests that pass."""
        found.update(self.branches)
        if not self._behind:
            found.update(way.branch for way in self.ahead if way.tests <= passed)
        for test in self._behind.keys() & passed:
            self._behind[test].resolve(passed, found)


class Hit:
    """What is found together.

    Attributes:
        branches: those that have no further tests, each once.
        nodes: where others go on, each once.
        passed: the tests that are known to pass, where it is of use to know.
    """

    __slots__ = ("branches", "nodes", "passed")

    def __init__(self, branches: Iterable[int], nodes: Iterable[Node], passed: Iterable[Test] = ()) -> None:
        self.branches = tuple(dict.fromkeys(branches))
        self.nodes = tuple(dict.fromkeys(nodes))
        self.passed = tuple(passed)

    @classmethod
    def of(cls, nodes: Sequence[Node], passed: Iterable[Test] = ()) -> Hit:
        """What is found where these nodes are."""
        return cls(
            (branch for node in nodes for branch in node.branches),
            (node for node in nodes if node.ahead),
            passed,
        )

    @classmethod
    def together(cls, hits: Collection[Hit]) -> Hit:
        """Several as one."""
        return cls(
            (branch for hit in hits for branch in hit.branches),
            (node for hit in hits for node in hit.nodes),
            (test for hit in hits for test in hit.passed),
        )

    def collect(self, met: Met, found: set[int]) -> None:
        """Add the branches whose tests all pass."""
        found.update(self.branches)
        for node in self.nodes:
            node.collect(met, found)

    def weight(self) -> int:
        """How much it holds."""
        return len(self.branches) + len(self.nodes) + len(self.passed)


@dataclass(frozen=True, slots=True)
class Root:
    """The root of the tree.

    Attributes:
        nodes: what is behind the tests that are asked there.
        lookups: for each field what is found by its values; None for a field that is asked later only.
        absences: fields, with what is found where they are absent.
        later: the fields that are asked behind the root.
    """

    nodes: Mapping[Test, Node]
    lookups: tuple[Lookup[Hit] | None, ...]
    absences: tuple[tuple[int, Hit], ...]
    later: frozenset[int]

    @classmethod
    def of(cls, ways: Sequence[Way], fields: int) -> Root:
        """The root from which these ways go, with so many fields in all."""
        nodes = nodes_of(ways)
        lookups = _lookups(nodes)
        return cls(
            nodes,
            tuple(lookups.get(field) for field in range(fields)),
            tuple((field, lookup.absent) for field, lookup in lookups.items() if lookup.absent),
            frozenset(test.field for node in nodes.values() for way in node.ahead for test in way.tests),
        )


def nodes_of(ways: Iterable[Way]) -> dict[Test, Node]:
    """What is behind each test that is asked first."""
    costs = _costs(ways)
    behind: dict[Test, list[Way]] = defaultdict(list)
    for way in ways:
        first = min(way.tests, key=costs.__getitem__) if len(way.tests) > 1 else next(iter(way.tests))
        behind[first].append(Way(way.branch, way.tests - {first}))
    nodes = {}
    for test, beyond in behind.items():  # no comprehension: it would be one more frame for each level
        nodes[test] = Node(beyond)
    return nodes


def _lookups(behind: Mapping[Test, Node]) -> dict[int, Lookup[Hit]]:
    """For each field, what is behind its tests."""
    by_field: dict[int, list[tuple[tuple[Condition, ...], Node]]] = defaultdict(list)
    for test, node in behind.items():
        by_field[test.field].append((test.conditions, node))
    return {field: Lookup(tests, Hit.of) for field, tests in by_field.items()}


def _costs(ways: Iterable[Way]) -> dict[Test, tuple[float, int]]:
    """What it costs, roughly, to ask each test first: reading the field, and going on where the test passes.

    A field is read once for all ways that ask it, so one that many ask is cheap. A test lets few events pass
    where patterns pick out many values of its field. Ties go by field, so that branches which ask the same go
    the same way.
    """
    asked = Counter(test.field for way in ways for test in way.tests)
    several = {test for way in ways if len(way.tests) > 1 for test in way.tests}
    rivals = Counter(test.field for test in several if test.picks)
    return {
        test: (
            _READ[test.numeric] / asked[test.field]
            + _GO_ON * (test.openness + _PICKED * test.picks / (1 + rivals[test.field])),
            test.field,
        )
        for test in several
    }


def _is_fraction(condition: Condition) -> bool:
    match condition:
        case Equals(number):
            return number.value is not None and not number.value.is_integer()
        case Numeric((("=", value),)):
            return not value.is_integer()
        case _:
            return False
