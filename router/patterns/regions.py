"""What of an event a branch asks about: its array elements as a tree, and what each says of the fields.

A region is what stands in one element of an array, or in none, without what stands in elements further in.
Two values can stand together unless they are in different elements of one array: so all that matters of a
region is which fields are met in it, and which arrays it holds.

Sets of fields are the bits of an integer, in the order of the paths. Bit 0 is the event itself: met at the
root, before all fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import repeat
from operator import or_
from typing import TYPE_CHECKING, Any

from router.patterns.conditions import Exists
from router.patterns.fields import CONTAINERS
from router.patterns.jsontext import Object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.patterns.fields import Fields
    from router.patterns.nodes import Branch, Field

_EVENT = 1
_NOTHING: Any = object()


@dataclass(slots=True, eq=False)
class Array:
    """An array with two or more elements of interest. One element alone binds nobody.

    Attributes:
        flat: what the elements say that hold no objects and arrays of interest; each answer once.
        deep: the other elements.
        says: what all of it says, at any depth.
    """

    flat: set[int]
    deep: list[Region]
    says: int = 0


@dataclass(slots=True, eq=False)
class Region:
    """What stands in one element, or in none.

    Attributes:
        says: the fields that are met here; and, shifted by `Survey.width`, those with `exists: false` that
            have a value here.
        arrays: the arrays here.
    """

    says: int = 0
    arrays: list[Array] = field(default_factory=list)


class Survey:
    """An event as one branch sees it.

    Attributes:
        root: what stands in no array.
        wanted: the fields of the branch.
        absent: those with `exists: false`.
        width: how far `Region.says` is shifted.
    """

    def __init__(self, branch: Branch, event: Fields) -> None:
        self.width = len(branch.fields) + 1
        self.wanted = (1 << self.width) - 1 - _EVENT
        self.absent = sum(may_be_absent(asked) << number for number, asked in enumerate(branch.fields, 1))
        self.root = Region(_EVENT)
        self._arrays: list[Array] = []
        first = _Step.to(branch, self.absent, self.width)
        self._unread = [(self.root, value, first) for value, _ in event.raw]
        for region, value, step in self._unread:  # it grows
            self._read(region, value, step)
        for array in reversed(self._arrays):  # inner ones first
            array.says = reduce(or_, array.flat, 0)
            for region in array.deep:
                array.says |= reduce(or_, (inner.says for inner in region.arrays), region.says)

    def _read(self, region: Region, value: Any, step: _Step) -> None:
        """Read a region, as far as the branch asks. Without recursion: events come from outside."""
        waiting = [(value, step)]
        while waiting:
            value, step = waiting.pop()
            kind = type(value)
            if kind is dict:
                keys = value if len(value) < len(step.below) else step.below
                waiting += [
                    (value[key], step.below[key]) for key in keys if key in value and key in step.below
                ]
            elif kind is Object:
                waiting += [(member, below) for key, member in value if (below := step.at(key))]
            elif kind is list:
                waiting += self._read_array(region, value, step)
            else:
                region.says |= step.says[value]

    def _read_array(self, region: Region, values: list[Any], step: _Step) -> list[tuple[Any, _Step]]:
        """Read an array, and give back the one element that stands there for the region itself."""
        flat: set[int] = set()
        deep: list[Any] = []
        ways = step.ways(step.below)
        for value in values:
            kind = type(value)
            if kind is dict:
                says = _flat(value, ways if len(ways) <= 2 * len(value) else step.ways(value))
            elif kind is list:
                says = _scalars(value, step.says)
            elif kind is Object:
                says = None
            else:
                region.says |= step.says[value]
                continue
            if says is None:
                deep.append(value)
            elif says:
                flat.add(says)
        if len(flat) + len(deep) < 2:  # noqa: PLR2004 - no two to choose from
            region.says |= sum(flat)
            return [(value, step) for value in deep]
        array = Array(flat, [Region() for _ in deep])
        region.arrays.append(array)
        self._arrays.append(array)
        self._unread += zip(array.deep, deep, repeat(step))
        return []


def may_be_absent(asked: Field) -> bool:
    """Whether a field has `exists: false` among its conditions."""
    return any(isinstance(leaf.condition, Exists) and not leaf.condition.wanted for leaf in asked.leaves)


class _Says(dict[Any, int]):
    """What a value says of a field (`Region.says`), remembered: values repeat themselves."""

    __slots__ = ("_first", "_met", "_others", "_present")

    def __init__(self, asked: Field, met: int, present: int) -> None:
        super().__init__({_NOTHING: 0})
        self._first, *self._others = [leaf.condition.matches for leaf in asked.leaves]
        self._met = met
        self._present = present

    def __missing__(self, value: Any) -> int:
        met = self._first(value) or any(matches(value) for matches in self._others)
        says = self[value] = self._present | (self._met if met else 0)
        return says


class _Silent(dict[Any, int]):
    """What a value says that stands on the way to a field: nothing."""

    __slots__ = ()

    def __missing__(self, value: Any) -> int:
        return 0


class _Step:
    """A place on the way to the fields of a branch.

    Attributes:
        says: what a value there says.
        below: the next steps by key.
    """

    __slots__ = ("below", "says")

    def __init__(self) -> None:
        self.says: dict[Any, int] = _Silent()
        self.below: dict[str, _Step] = {}

    @classmethod
    def to(cls, branch: Branch, absent: int, width: int) -> _Step:
        """The first step to all fields of a branch; the rest is as in `Survey`."""
        first = cls()
        for number, asked in enumerate(branch.fields, 1):
            step = first
            for segment in asked.segments:
                step = step.below.setdefault(segment, cls())
            bit = 1 << number
            step.says = _Says(asked, bit, (bit & absent) << width)
        return first

    def at(self, key: str) -> _Step | None:
        """The step to which a key leads; one with dots is several."""
        found: _Step | None = self
        for segment in key.split("."):
            found = found.below.get(segment) if found else None
        return found

    def ways(self, keys: Iterable[str]) -> list[tuple[str, dict[Any, int]]]:
        """What values below say, for some keys."""
        return [(key, self.below[key].says) for key in keys if key in self.below]


def _flat(members: dict[str, Any], ways: list[tuple[str, dict[Any, int]]]) -> int | None:
    """What an object says; None if it holds objects or arrays that are of interest."""
    says = 0
    for key, said in ways:
        member = members.get(key, _NOTHING)
        if type(member) in CONTAINERS:
            return None
        says |= said[member]
    return says


def _scalars(values: list[Any], said: dict[Any, int]) -> int | None:
    """What an array says; None if it holds objects or arrays."""
    says = 0
    for value in values:
        if type(value) in CONTAINERS:
            return None
        says |= said[value]
    return says
