"""The plain matcher: what a pattern means, in code. Whatever is faster must give the same answers.

A branch matches if every field has a value that meets one of its conditions, and all these values can
stand together: two of them may not stand in different elements of one array. `exists: false` holds if
the field has no value that could stand together with those chosen before it, in the order of the paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.events import EventError
from router.patterns.consistency import EntangledError, consistent
from router.patterns.regions import Survey, may_be_absent

if TYPE_CHECKING:
    from router.patterns.fields import Fields
    from router.patterns.nodes import Branch, Field

MOST_STEPS = 200_000
"""What it may take to tell whether values can stand together, for one branch and one event.

A step compares, or puts together, what can be had of two arrays that may both have the same field. So the
first step takes a key that is written twice; reading an event, however large, is none. Past the bound an
`EventError` is raised.
"""

_MOST_PATHS = 5


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
    try:
        return consistent(Survey(branch, event), MOST_STEPS)
    except EntangledError:
        paths = [field.path for field in branch.fields]
        fields = ", ".join(paths[:_MOST_PATHS]) + (", …" if len(paths) > _MOST_PATHS else "")
        raise EventError(
            f"The event's arrays are too entangled for this pattern: keys on the way to {fields} are written"
            f" more than once, and {MOST_STEPS:,} steps gave no answer. Write each key of an object once."
        ) from None


def possible(field: Field, event: Fields) -> bool:
    """Whether a field can match at all: absence can, while every value stands in some element."""
    found = event.at(field.segments)
    values = found.values if found else []
    if any(leaf.condition.matches(value) for value, _ in values for leaf in field.leaves):
        return True
    return may_be_absent(field) and all(element is not None for _, element in values)
