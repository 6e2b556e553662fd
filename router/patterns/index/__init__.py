"""Many patterns at once: which of them match an event.

`recording` reads of an event the fields that some pattern reads. `tree` finds the branches of patterns
whose tests all pass, by looking values up (`lookup`) instead of asking one pattern after the other.
Fields of objects in one array have to match in the same element: where an event has several such objects,
the branches that were found are asked whether they do.

An index gives the answers of `Pattern.matches`, whatever patterns stand beside each other in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from router.events import Event
from router.patterns.fields import Fields, read
from router.patterns.index.recording import Recorder, Segments, UnreadableError
from router.patterns.index.tree import FieldValues, Node, Test, Way
from router.patterns.match import branch_matches
from router.patterns.nodes import Branch
from router.patterns.pattern import Pattern

__all__ = ["Index"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A branch in an index.

    Attributes:
        name: its pattern's.
        tests: one for each of its fields.
        shared: the paths of objects that hold several of its fields.
        nested: whether one of its fields leads through another.
    """

    name: str
    branch: Branch
    tests: frozenset[Test]
    shared: frozenset[Segments]
    nested: bool


class Index:
    """Patterns by name, compiled to be asked together. It never changes: for other patterns, make another."""

    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        self._paths: dict[Segments, int] = {}
        known: dict[tuple[int, Any], Test] = {}
        self._entries = [
            self._entry(name, branch, known)
            for name, pattern in patterns.items()
            for branch in pattern.branches
        ]
        self._careful = any(entry.nested for entry in self._entries)
        self._root = Node([Way(n, one.tests) for n, one in enumerate(self._entries) if not one.nested], few=0)
        self._loose = Node(
            [
                Way(n, frozenset(test for test in one.tests if not test.absence))
                for n, one in enumerate(self._entries)
                if one.nested or (one.shared and any(test.absence for test in one.tests))
            ]
        )
        self._documents: list[Recorder] = []

    def _entry(self, name: str, branch: Branch, known: dict[tuple[int, Any], Test]) -> _Entry:
        tests = set()
        for field in branch.fields:
            number = self._paths.setdefault(field.segments, len(self._paths))
            conditions = tuple(leaf.condition for leaf in field.leaves)
            test = known.get((number, conditions))
            if test is None:
                test = known[number, conditions] = Test.of(number, conditions)
            tests.add(test)
        paths = [field.segments for field in branch.fields]
        shared = _shared(paths)
        return _Entry(name, branch, frozenset(tests), shared, any(path in shared for path in paths))

    def match(self, event: bytes) -> list[str]:
        """The names of the patterns that match an event as JSON text, in the order of the mapping.

        Raises:
            EventError: it is not strict JSON with an object at its root, or its arrays are too entangled for
                a pattern (`match.MOST_STEPS`).
        """
        try:
            recorder = self._documents.pop() if self._documents else self._recorder()
        except UnreadableError:
            return self._complete(read(event))
        try:
            recorder.read(event)
            return self._answer(recorder.values, entangled=recorder.entangled, complete=lambda: read(event))
        except UnreadableError:
            return self._complete(read(event))
        finally:
            recorder.clear()
            self._documents.append(recorder)

    def match_event(self, event: Event) -> list[str]:
        """The names of the patterns that match a CloudEvent: attributes, and the payload under `data`.

        Raises:
            EventError: as `match`, for the payload.
        """
        return self._complete(read(event))

    def _complete(self, fields: Fields) -> list[str]:
        """The answer for an event that was read whole."""
        found = [fields.at(path) for path in self._paths]
        values = [[value for value, _ in field.values] if field else [] for field in found]
        entangled = any(element for field in found if field for _, element in field.values)
        return self._answer(values, entangled=entangled, complete=lambda: fields)

    def _answer(self, values: FieldValues, *, entangled: bool, complete: Callable[[], Fields]) -> list[str]:
        found: list[int] = []
        self._root.collect(values, found)
        careful = entangled or self._careful
        if careful:
            self._loose.collect(values, found)
        names: dict[str, None] = {}
        fields = None
        for number in sorted({*found}):
            entry = self._entries[number]
            if entry.name in names:
                continue
            if careful and entry.shared:
                fields = fields or complete()
                if not branch_matches(entry.branch, fields):
                    continue
            names[entry.name] = None
        return list(names)

    def _recorder(self) -> Recorder:
        shared = {path for entry in self._entries for path in entry.shared}
        return Recorder(self._paths, [[] for _ in self._paths], shared)


def _shared(paths: list[Segments]) -> frozenset[Segments]:
    """The paths that several of these lead through, or to."""
    through = Counter(path[:length] for path in paths for length in range(1, len(path) + 1))
    return frozenset(path for path, count in through.items() if count > 1)
