"""The branches of all patterns, with fields numbered and every test made once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.patterns.index.recording import Segments
from router.patterns.index.tree import Test, Way
from router.patterns.nodes import Branch
from router.patterns.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Entry:
    """A branch in an index.

    Attributes:
        number: its place among all branches.
        name: its pattern's.
        tests: one for each of its fields.
        shared: the paths of objects that hold several of its fields.
        nested: whether one of its fields leads through another.
    """

    number: int
    name: str
    branch: Branch
    tests: frozenset[Test]
    shared: frozenset[Segments]
    nested: bool

    @property
    def way(self) -> Way:
        """All its tests."""
        return Way(self.number, self.tests)

    @property
    def loose_way(self) -> Way:
        """Its tests without those that absence passes."""
        return Way(self.number, frozenset(test for test in self.tests if not test.absence))

    def loose_in(self, prefix: Segments) -> bool:
        """Whether it may match although a test of absence fails: see `Text.loose`.

        In arrays, that is, of which none stands at the prefix.
        """
        return self.nested or (self.tied_in(prefix) and any(test.absence for test in self.tests))

    def tied_in(self, prefix: Segments) -> bool:
        """Whether some of its values may have to stand in the same object of an array below a prefix."""
        return any(path[: len(prefix)] == prefix and path != prefix for path in self.shared)


@dataclass(frozen=True, slots=True)
class Entries:
    """The branches of an index.

    Attributes:
        paths: the number of each field, by its path.
    """

    paths: dict[Segments, int]
    all: tuple[Entry, ...]

    @property
    def shared(self) -> set[Segments]:
        """All paths of objects that hold several fields of one branch."""
        return {path for entry in self.all for path in entry.shared}

    @classmethod
    def of(cls, patterns: Mapping[str, Pattern]) -> Entries:
        """All branches, in the order of the patterns and their own."""
        paths: dict[Segments, int] = {}
        tests: dict[tuple[int, Any], Test] = {}
        entries: list[Entry] = []
        for name, pattern in patterns.items():
            for branch in pattern.branches:
                mine = []
                for field in branch.fields:
                    number = paths.setdefault(field.segments, len(paths))
                    key = number, tuple(leaf.condition for leaf in field.leaves)
                    if key not in tests:
                        tests[key] = Test.of(*key)
                    mine.append(tests[key])
                shared = _shared([field.segments for field in branch.fields])
                nested = any(field.segments in shared for field in branch.fields)
                entries.append(Entry(len(entries), name, branch, frozenset(mine), shared, nested))
        return cls(paths, tuple(entries))


def _shared(paths: list[Segments]) -> frozenset[Segments]:
    """The paths that several of these lead through, or to."""
    if len(paths) == 1:
        return frozenset()
    through = Counter(path[:length] for path in paths for length in range(1, len(path) + 1))
    return frozenset(path for path, count in through.items() if count > 1)
