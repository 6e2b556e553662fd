"""The plain matcher: what a pattern means, in code. Whatever is faster must give the same answers.

A branch matches if every field has a value that meets one of its conditions, and all these values can
stand together: two of them may not stand in different elements of one array. `exists: false` holds if
the field has no value that could stand together with those chosen before it, in the order of the paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.events import EventError
from router.patterns.conditions import Exists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.patterns.fields import Element, Fields
    from router.patterns.nodes import Branch, Field

MOST_STEPS = 250_000
"""Choices that are tried for one branch and one event before an `EventError` is raised."""

Bound = dict[int, int]
"""The element chosen in each array."""


def matches(branches: tuple[Branch, ...], event: Fields) -> bool:
    """Whether one of the branches matches.

    Raises:
        EventError: the arrays are too entangled to tell within `MOST_STEPS`.
    """
    return any(branch_matches(branch, event) for branch in branches)


def branch_matches(branch: Branch, event: Fields) -> bool:
    """Whether all fields of a branch match together."""
    choices = []
    for field in branch.fields:
        choice = Choice(field, event)
        if not choice.possible:
            return False
        choices.append(choice)
    if all(choice.free for choice in choices):
        return True
    return _Search(choices).from_field(0, {})


class Choice:
    """The ways in which one field can match an event.

    Attributes:
        elements: the elements in which a value meets a condition (None: outside all arrays of objects),
            each once.
        occupied: for a field with `exists: false`, the elements in which it has any value; else None.
    """

    __slots__ = ("elements", "occupied")

    def __init__(self, field: Field, event: Fields) -> None:
        found = event.at(field.segments)
        values = found.values if found else []
        conditions = [leaf.condition for leaf in field.leaves]
        met = (
            element for value, element in values if any(condition.matches(value) for condition in conditions)
        )
        self.elements = dict.fromkeys(met)
        absent = any(isinstance(condition, Exists) and not condition.wanted for condition in conditions)
        self.occupied = dict.fromkeys(element for _, element in values) if absent else None

    @property
    def possible(self) -> bool:
        """Whether it can match at all: absence, while every value stands in some element."""
        return bool(self.elements) or (self.occupied is not None and None not in self.occupied)

    @property
    def free(self) -> bool:
        """Whether it matches whatever the other fields choose."""
        return None in self.elements or self.occupied == {}


class _Search:
    """A search for choices that can stand together, field by field in the order of the paths."""

    def __init__(self, choices: list[Choice]) -> None:
        self._choices = choices
        self._trees = [_Tree(choice.elements) for choice in choices]
        self._hopeless: set[tuple[int, frozenset[tuple[int, int]]]] = set()
        self._matter = self._arrays_that_matter()
        self._steps = 0

    def _arrays_that_matter(self) -> list[set[int]]:
        """For each field, the arrays that it or a later one has to do with."""
        matter: list[set[int]] = [set()]
        for choice in reversed(self._choices):
            elements = [*choice.elements, *(choice.occupied or ())]
            matter.append(matter[-1] | {array for one in elements if one for array, _ in one.tags()})
        return matter[:0:-1]

    def from_field(self, index: int, bound: Bound) -> bool:
        """Whether this field and all later ones can match, given what is chosen already."""
        if index == len(self._choices):
            return True
        matter = self._matter[index]
        state = (index, frozenset(tag for tag in bound.items() if tag[0] in matter))
        if state in self._hopeless:
            return False
        for element in self._trees[index].within(bound):
            self._step()
            chosen = bound if element is None else bound | dict(element.tags())
            if self.from_field(index + 1, chosen):
                return True
        occupied = self._choices[index].occupied
        if occupied is not None and not any(self._together(one, bound) for one in occupied):
            return self.from_field(index + 1, bound)
        self._hopeless.add(state)
        return False

    def _together(self, element: Element | None, bound: Bound) -> bool:
        """Whether a value in this element can stand together with what is chosen."""
        self._step()
        return element is None or all(bound.get(array, index) == index for array, index in element.tags())

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise EventError(
                f"The event's arrays are too entangled for this pattern: {MOST_STEPS:,} combinations "
                "of their elements were tried, and none or not all of them matched."
            )


class _Tree:
    """Elements by the arrays they stand in, to find those that agree with a choice without trying all."""

    __slots__ = ("arrays", "element", "is_choice")

    def __init__(self, elements: dict[Element | None, None] | None = None) -> None:
        self.arrays: dict[int, dict[int, _Tree]] = {}
        self.element: Element | None = None
        self.is_choice = False
        for element in elements or ():
            node = self
            for array, index in reversed(tuple(element.tags()) if element else ()):
                node = node.arrays.setdefault(array, {}).setdefault(index, _Tree())
            node.element, node.is_choice = element, True

    def within(self, bound: Bound) -> Iterator[Element | None]:
        """The elements that can stand together with what is chosen, outer ones first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.is_choice:
                yield node.element
            for array, members in node.arrays.items():
                if array not in bound:
                    waiting += members.values()
                elif bound[array] in members:
                    waiting.append(members[bound[array]])
