"""Why a pattern does or does not match an event: a verdict for every leaf of the pattern."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from router.patterns.fields import read
from router.patterns.jsontext import printable, quoted
from router.patterns.match import branch_matches, matches, possible
from router.patterns.nearmiss import near_miss
from router.patterns.nodes import Branch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.events import Event
    from router.patterns.fields import Fields
    from router.patterns.nodes import Field, Place
    from router.patterns.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one leaf of a pattern: a field and the conditions it is under.

    Attributes:
        path: the field's path in events.
        condition: its conditions as they stand in the pattern, as JSON.
        place: where they stand.
        found: the values the event has there, as JSON, in the event's order.
        matched: whether it holds; a leaf that holds alone, but not together with those before it, does not.
        near: for one that does not hold, what was there instead; None where `found` says it all.
    """

    path: str
    condition: str
    place: Place
    found: tuple[str, ...]
    matched: bool
    near: str | None = None

    def __str__(self) -> str:
        """One line for a person."""
        text = f"{'yes' if self.matched else 'NO '} {self.path}: {self.condition}"
        text += f"; found {', '.join(self.found)}" if self.found else "; not in the event"
        return printable(f"{text} ({self.near})" if self.near else text)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a pattern does or does not match an event.

    Attributes:
        matched: what `matches` says.
        branches: for each branch of the pattern (one, unless it has `$or`) a verdict for each leaf. A
            branch matches exactly if all its verdicts do.
    """

    matched: bool
    branches: tuple[tuple[Verdict, ...], ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts of all branches, each once."""
        return tuple(dict.fromkeys(chain.from_iterable(self.branches)))

    @property
    def failing(self) -> tuple[Verdict, ...]:
        """What keeps the event from matching: the verdicts that fail in the branch that is nearest to it.

        That is the one with fewest of them; of several the one where most holds beside them; of those the
        one with near misses, or at least with values: `State: failed` means the alternative about `State`.
        """
        nearest = min(self.branches, key=_distance)
        return tuple(verdict for verdict in nearest if not verdict.matched)

    def __str__(self) -> str:
        """Some lines for a person."""
        parts = ["\n".join(map(str, branch)) for branch in self.branches]
        return "\nor\n".join(parts)


def _distance(branch: tuple[Verdict, ...]) -> tuple[int, int, int]:
    """How far a branch is from matching."""
    failing = [verdict for verdict in branch if not verdict.matched]
    missed = sum(2 if not verdict.found else verdict.near is None for verdict in failing)
    return len(failing), len(failing) - len(branch), missed


def explain(pattern: Pattern, event: str | bytes | Mapping[str, Any] | Event) -> Explanation:
    """Say for every leaf of a pattern whether it holds, and what was there instead.

    Raises:
        EventError: as `Pattern.matches`.
    """
    fields = read(event)
    return Explanation(
        matched=matches(pattern.branches, fields),
        branches=tuple(_verdicts(branch, fields) for branch in pattern.branches),
    )


def _verdicts(branch: Branch, event: Fields) -> tuple[Verdict, ...]:
    """A verdict for each field of a branch."""
    alone = {field.segments: possible(field, event) for field in branch.fields}
    if all(alone.values()) and not branch_matches(branch, event):
        at = _first_that_disagrees(branch, event)
        near = _disagreement(branch.fields[: at + 1], event)
        return tuple(
            _verdict(field, event, matched=index != at, near=near if index == at else None)
            for index, field in enumerate(branch.fields)
        )
    return tuple(
        _verdict(field, event, matched=ok, near=None if ok else near_miss(field, event))
        for field, ok in zip(branch.fields, alone.values(), strict=True)
    )


def _first_that_disagrees(branch: Branch, event: Fields) -> int:
    """The index of the first field that cannot stand together with those before it."""
    last = len(branch.fields) - 1
    for at in range(last):
        if not branch_matches(Branch(branch.fields[: at + 1]), event):
            return at
    return last


def _disagreement(fields: tuple[Field, ...], event: Fields) -> str:
    """What to say of the last of these fields, which matches alone but not together with the others."""
    *others, last = fields
    arrays = _arrays(last, event)
    near = [field.path for field in others if arrays & _arrays(field, event)]
    return f"matches alone, but not in the same array element as {', '.join(near)}"


def _arrays(field: Field, event: Fields) -> set[int]:
    found = event.at(field.segments)
    values = found.values if found else []
    return {array for _, element in values if element for array, _ in element.tags()}


def _verdict(field: Field, event: Fields, *, matched: bool, near: str | None) -> Verdict:
    found = event.at(field.segments)
    values = tuple(quoted(value) for value, _ in found.values) if found else ()
    return Verdict(field.path, field.written, field.place, values, matched, near)
