"""A parsed pattern: frozen data, with the place of every condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.patterns.conditions import Condition
    from router.patterns.errors import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written.

    Attributes:
        path: keys and indexes from the pattern's root, whatever it was read from.
        line, column: in JSON text, counted from 1; None for a mapping.
    """

    path: Path
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition on one field.

    Attributes:
        condition: what a value is asked.
        written: the condition as it stands in the pattern, as JSON.
        place: where it stands.
    """

    condition: Condition
    written: str
    place: Place


@dataclass(frozen=True, slots=True)
class Field:
    """A field and its conditions, of which one has to hold.

    Attributes:
        segments: the path's keys, split at every dot: `{"a.b": …}` and `{"a": {"b": …}}` are one path.
        leaves: the conditions, in their order.
        written: the conditions as they stand in the pattern, as JSON.
        place: where they stand.
    """

    segments: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    written: str
    place: Place

    @property
    def path(self) -> str:
        """The path as one string."""
        return ".".join(self.segments)


@dataclass(frozen=True, slots=True)
class Branch:
    """Fields that must all match; a pattern without `$or` has one branch.

    Attributes:
        fields: in the order of their paths' UTF-16 code units, in which `exists: false` is checked.
    """

    fields: tuple[Field, ...]
