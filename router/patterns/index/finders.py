"""A finder takes a value and gives what is posted under the conditions that the value meets.

What is posted at one place of a table is merged once, when the finder is made: a finder gives such *cells*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
C = TypeVar("C")

Merge = Callable[[Sequence[Item]], C]
Finder = Callable[[Any], Sequence[C]]


class Single(Generic[C]):
    """A finder of one cell at most.

    Attributes:
        cell: gives what a value finds; None for nothing.
    """

    __slots__ = ("cell",)

    def __init__(self, cell: Callable[[Any], C | None]) -> None:
        self.cell = cell

    def __call__(self, value: Any) -> Sequence[C]:
        """What a value finds."""
        cell = self.cell(value)
        return () if cell is None else (cell,)


class Table(Single[C]):
    """A finder that looks values up as they are.

    Attributes:
        cells: what single values find; None for nothing.
        default: what all other values find; None for nothing.
    """

    __slots__ = ("cells", "default")

    def __init__(self, cells: Mapping[Any, C | None], default: C | None = None) -> None:
        super().__init__(cells.get if default is None else lambda value: cells.get(value, default))
        self.cells = cells
        self.default = default


class Screened(Generic[C]):
    """A finder that finds the same for all strings but those that begin or end in one of a few ways.

    Attributes:
        starts, ends: these ways.
        default: what all other strings find; None for nothing.
        find: gives what any string finds.
    """

    __slots__ = ("default", "ends", "find", "starts")

    def __init__(
        self, starts: tuple[str, ...], ends: tuple[str, ...], default: C | None, find: Finder[C]
    ) -> None:
        self.starts = starts
        self.ends = ends
        self.default = default
        self.find = find

    def __call__(self, value: str) -> Sequence[C]:
        """What a value finds."""
        return self.find(value)


nothing: Table[Any] = Table({})
"""Finds nothing."""


def table(posted: Mapping[Any, Sequence[Item]], merge: Merge[Item, C]) -> Finder[C] | None:
    """A finder that looks values up; None if there are none."""
    return Table({value: merge(items) for value, items in posted.items()}) if posted else None


def constant(posted: Sequence[Item], merge: Merge[Item, C]) -> Finder[C] | None:
    """A finder that finds the same for every value; None if that is nothing."""
    return Table({}, merge(posted)) if posted else None


def union(*finders: Finder[C] | None) -> Finder[C] | None:
    """A finder of all that others find; None if there are none."""
    several = [find for find in finders if find is not None]
    if len(several) < 2:  # noqa: PLR2004 - one needs no union
        return several[0] if several else None

    cells = [find.cell for find in several if isinstance(find, Single)]
    others = [
        find.find if isinstance(find, Screened) else find for find in several if not isinstance(find, Single)
    ]

    def find_all(value: Any) -> Sequence[C]:
        found: list[C] = []
        for cell in cells:
            here = cell(value)
            if here is not None:
                found.append(here)
        for find in others:
            found += find(value)
        return found

    return find_all
