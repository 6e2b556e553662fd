"""Many tests of one field at once: which of them pass, without asking each.

A test is the list of conditions that a pattern has for a field. What it stands for is posted under each
of them, in tables that are asked for a value. Where a table alone cannot tell, the condition is asked
about what the table finds: the answer is never another than the conditions' own `matches` would give.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from router.patterns.conditions import (
    Address,
    All,
    AnythingBut,
    Cidr,
    Condition,
    Equals,
    Exact,
    Exists,
    Literal,
    Numeric,
    Prefix,
    Suffix,
    Wildcard,
)
from router.patterns.index.addresses import Addresses
from router.patterns.index.finders import Finder, constant, nothing, union
from router.patterns.index.numbers import Numbers
from router.patterns.index.strings import Strings, is_exact
from router.patterns.values import Number, Value

T = TypeVar("T", bound=Hashable)

Conditions = tuple[Condition, ...]


def flat(values: Iterable[Any]) -> list[Any]:
    """Values as they were read, those in arrays too, without objects."""
    found: list[Any] = []
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif not isinstance(value, dict):
            found.append(value)
    return found


def as_value(value: Any) -> Value:
    """A value that was read, as conditions know it."""
    return Number(str(value)) if type(value) is int else value


class Finders(NamedTuple, Generic[T]):
    """A finder for each kind of value."""

    string: Finder[T] | None
    number: Finder[T] | None
    literal: Finder[T] | None


class Lookup(Generic[T]):
    """Finds what passing tests stand for.

    Attributes:
        absent: what is found where the field has no value.
        string: finds what one string finds.
    """

    def __init__(self, tests: Iterable[tuple[Conditions, T]]) -> None:
        tables: _Tables[T] = _Tables()
        absent: list[T] = []
        self._repeats = False
        for conditions, item in tests:
            self._repeats = self._repeats or _overlap(conditions)
            for condition in conditions:
                if isinstance(condition, Exists) and not condition.wanted:
                    absent.append(item)
                else:
                    tables.post(condition, item)
        finders = tables.finders()
        self.absent: Sequence[T] = absent
        self.string = finders.string or nothing
        self._finders = {
            str: self.string,
            int: finders.number or nothing,
            Number: finders.number or nothing,
            bool: finders.literal or nothing,
            type(None): finders.literal or nothing,
        }

    def find(self, values: Sequence[Any]) -> Sequence[T]:
        """What the tests stand for that pass for a field with these values; each once."""
        if len(values) == 1:
            find = self._finders.get(type(values[0]))
            if find is not None:
                found = find(values[0])
                return list(dict.fromkeys(found)) if self._repeats else found
        finders = self._finders
        scalars = flat(values)
        if not scalars:
            return self.absent
        return list(dict.fromkeys(item for value in scalars for item in finders[type(value)](value)))


class _Tables(Generic[T]):
    """What is posted under conditions on one value, by the kind of condition."""

    def __init__(self) -> None:
        self._sure: _Posts[T] = _Posts()
        self._doubtful: _Posts[tuple[Condition, T]] = _Posts()
        self._excluding: list[tuple[AnythingBut, T]] = []

    def post(self, condition: Condition, item: T) -> None:
        match condition:
            case AnythingBut():
                self._excluding.append((condition, item))
            case All(conditions):
                self._doubtful.post(min(conditions, key=openness), (condition, item))
            case _ if is_exact(condition):
                self._sure.post(condition, item)
            case _:
                self._doubtful.post(condition, (condition, item))

    def finders(self) -> Finders[T]:
        sure, doubtful, others = self._sure.finders(), self._doubtful.finders(), self._others()
        return Finders(*(union(s, _confirmed(d), o) for s, d, o in zip(sure, doubtful, others, strict=True)))

    def _others(self) -> Finders[T]:
        """Finders of what is posted under `AnythingBut`: everything, without what the value excludes."""
        items = [item for _, item in self._excluding]
        if not items:
            return Finders(None, None, None)
        excluded: _Tables[int] = _Tables()
        for number, (condition, _) in enumerate(self._excluding):
            for one in condition.excluded:
                excluded.post(one, number)
        return Finders(*(_without(items, find) for find in excluded.finders()))


class _Posts(Generic[T]):
    """What is posted under conditions, all of which is found by values that meet them."""

    def __init__(self) -> None:
        self._strings: Strings[T] = Strings()
        self._addresses: Addresses[T] = Addresses()
        self._numbers: Numbers[T] = Numbers()
        self._literals: dict[bool | None, list[T]] = defaultdict(list)
        self._every: list[T] = []

    def post(self, condition: Condition, item: T) -> None:
        match condition:
            case Literal(value):
                self._literals[value].append(item)
            case Equals() | Numeric():
                self._numbers.post(condition, item)
            case Address() | Cidr():
                self._addresses.post(condition, item)
            case Exists() | AnythingBut():
                self._every.append(item)
            case _:
                self._strings.post(condition, item)

    def finders(self) -> Finders[T]:
        every, literals = constant(self._every), dict(self._literals)
        by_literal: Finder[T] | None = (lambda value: literals.get(value, ())) if literals else None
        return Finders(
            union(self._strings.finder(), self._addresses.finder(), every),
            union(self._numbers.finder(), every),
            union(by_literal, every),
        )


def _confirmed(find: Finder[tuple[Condition, T]] | None) -> Finder[T] | None:
    """A finder of those whose condition says so too."""
    if find is None:
        return None

    def confirmed(value: Any) -> Sequence[T]:
        found = find(value)
        if not found:
            return ()
        known = as_value(value)
        return [item for condition, item in found if condition.matches(known)]

    return confirmed


def _without(items: list[T], find: Finder[int] | None) -> Finder[T] | None:
    """A finder of all items but those whose numbers are found."""
    if find is None:
        return constant(items)

    def others(value: Any) -> Sequence[T]:
        numbers = find(value)
        if not numbers:
            return items
        excluded = set(numbers)
        return [item for number, item in enumerate(items) if number not in excluded]

    return others


def openness(condition: Condition) -> int:
    """How many values meet a condition, roughly: 0 few, 1 some, 2 nearly all."""
    match condition:
        case Exists() | AnythingBut() | Prefix("") | Suffix("") | Wildcard(("", "")):
            return 2
        case Numeric(((comparator, _), *_)) if comparator != "=":
            return 1
        case All(conditions):
            return min(map(openness, conditions))
        case _:
            return 0


def _overlap(conditions: Conditions) -> bool:
    """Whether one value may meet several conditions."""
    return len({*conditions}) < len(conditions) or (
        len(conditions) > 1 and not all(isinstance(one, Exact | Literal) for one in conditions)
    )
