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
    from collections.abc import Iterable, Iterator

    from router.patterns.fields import Element, Fields
    from router.patterns.nodes import Branch, Field

MOST_STEPS = 500_000
"""What a search may cost, for one branch and one event, before an `EventError` is raised.

Every element that is looked at is a step, and so is every element that is already chosen at each field.
"""

Bound = dict[int, int]
"""The element chosen in each array."""


def matches(branches: tuple[Branch, ...], event: Fields) -> bool:
    """Whether one of the branches matches.

    Raises:
        EventError: the arrays are too entangled to tell within `MOST_STEPS`.
    """
    return any(branch_matches(branch, event) for branch in branches)


def branch_matches(branch: Branch, event: Fields) -> bool:
    """Whether all fields of a branch match together.

    Raises:
        EventError: as `matches`.
    """
    choices = []
    for field in branch.fields:
        choice = Choice(field, event)
        if not choice.possible:
            return False
        choices.append(choice)
    tied = [choice for choice in choices if not choice.free]
    if len(tied) < 2 and all(choice.met for choice in tied):  # noqa: PLR2004 - one has nobody to disagree with
        return True
    return _Search(choices).from_field(0, {})


class Choice:
    """The ways in which one field can match an event.

    Attributes:
        met: the elements in which a value meets a condition (None: outside all arrays of objects), each once.
        taken: for a field with `exists: false`, the elements in which it has any value; else None.
    """

    __slots__ = ("met", "taken")

    def __init__(self, field: Field, event: Fields) -> None:
        found = event.at(field.segments)
        values = found.values if found else []
        conditions = [leaf.condition for leaf in field.leaves]
        self.met = dict.fromkeys(
            element for value, element in values if any(condition.matches(value) for condition in conditions)
        )
        absence = any(isinstance(condition, Exists) and not condition.wanted for condition in conditions)
        self.taken = dict.fromkeys(element for _, element in values) if absence else None

    @property
    def possible(self) -> bool:
        """Whether it can match at all: absence can, while every value stands in some element."""
        return bool(self.met) or (self.taken is not None and None not in self.taken)

    @property
    def free(self) -> bool:
        """Whether it matches whatever the other fields choose."""
        return None in self.met or self.taken == {}


class _Search:
    """A search for choices that can stand together, field by field in the order of the paths."""

    def __init__(self, choices: list[Choice]) -> None:
        self._met = [_Tree.of(choice.met) for choice in choices]
        self._taken = [None if choice.taken is None else _Tree.of(choice.taken) for choice in choices]
        self._relevant = _relevant(choices)
        self._hopeless: set[tuple[int, frozenset[tuple[int, int]]]] = set()
        self._steps = 0

    def from_field(self, index: int, bound: Bound) -> bool:
        """Whether this field and all later ones can match, given what is chosen already."""
        if index == len(self._met):
            return True
        self._spend(1 + len(bound))
        state = (index, frozenset(tag for tag in bound.items() if tag[0] in self._relevant[index]))
        if state in self._hopeless:
            return False
        for element in self._together(self._met[index], bound):
            chosen = bound | dict(element.tags()) if element else bound
            if self.from_field(index + 1, chosen):
                return True
        taken = self._taken[index]
        if taken is not None and not any(True for _ in self._together(taken, bound)):
            return self.from_field(index + 1, bound)
        self._hopeless.add(state)
        return False

    def _together(self, tree: _Tree, bound: Bound) -> Iterator[Element | None]:
        """The elements that can stand together with what is chosen, outer ones first."""
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            self._spend(1)
            if node.is_choice:
                yield node.element
            for array, members in node.arrays.items():
                if array not in bound:
                    waiting += members.values()
                elif bound[array] in members:
                    waiting.append(members[bound[array]])

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            reason = f"no answer after {MOST_STEPS:,} steps"
            raise EventError(f"The event's arrays are too entangled for this pattern: {reason}.")


class _Tree:
    """Elements by the arrays they stand in, to find those that agree with a choice without trying all.

    Attributes:
        element: the element of this node; None at the root.
        is_choice: whether it is one of the elements the tree was made of, or just surrounds some.
        arrays: the nodes below, by array and index.
    """

    __slots__ = ("arrays", "element", "is_choice")

    def __init__(self, element: Element | None) -> None:
        self.element = element
        self.is_choice = False
        self.arrays: dict[int, dict[int, _Tree]] = {}

    @classmethod
    def of(cls, elements: Iterable[Element | None]) -> _Tree:
        """The tree of some elements and of all that surround them."""
        root = cls(None)
        known: dict[Element | None, _Tree] = {None: root}
        for element in elements:
            new: list[Element] = []
            around = element
            while around is not None and around not in known:
                new.append(around)
                around = around.parent
            node = known[around]
            for inner in reversed(new):
                below = known[inner] = cls(inner)
                node.arrays.setdefault(inner.array, {})[inner.index] = below
                node = below
            node.is_choice = True
        return root


def _relevant(choices: list[Choice]) -> list[set[int]]:
    """For each field, the arrays that it or a later one has to do with: no others make a difference."""
    seen: set[Element | None] = {None}
    arrays: set[int] = set()
    relevant: list[set[int]] = []
    for choice in reversed(choices):
        for element in (*choice.met, *(choice.taken or ())):
            around = element
            while around is not None and around not in seen:
                seen.add(around)
                arrays.add(around.array)
                around = around.parent
        relevant.append(set(arrays))
    return relevant[::-1]
