"""A finder takes a value and gives what is posted under the conditions that the value meets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Finder = Callable[[Any], Sequence[T]]


def union(*finders: Finder[T] | None) -> Finder[T] | None:
    """A finder of all that others find; None if there are none."""
    several = [find for find in finders if find is not None]
    if len(several) < 2:  # noqa: PLR2004 - one needs no union
        return several[0] if several else None
    return lambda value: [item for find in several for item in find(value)]


def constant(items: Sequence[T]) -> Finder[T] | None:
    """A finder that finds the same for every value."""
    return (lambda _: items) if items else None


def nothing(_value: Any) -> Sequence[Any]:
    """Finds nothing."""
    return ()
