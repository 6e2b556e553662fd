"""Many tests of one field at once: which of them pass, without asking each.

A test is the list of conditions that a pattern has for a field. What it stands for is posted under each of
them, in tables that are asked for a value. Where a table alone cannot tell, the condition is asked about what
the table finds: the answer is never another than the conditions' own `matches` would give.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from router.patterns.conditions import (
    Address,
    All,
    AnythingBut,
    Cidr,
    Condition,
    Equals,
    Exists,
    Literal,
    Numeric,
    Prefix,
    Suffix,
    Wildcard,
)
from router.patterns.index.addresses import Addresses
from router.patterns.index.finders import (
    Finder,
    Merge,
    Screened,
    Single,
    Table,
    constant,
    nothing,
    table,
    union,
)
from router.patterns.index.memo import Memo
from router.patterns.index.numbers import Numbers, number_of
from router.patterns.index.strings import Strings, is_exact
from router.patterns.index.wildcards import Wildcards, tester
from router.patterns.values import Value

Item = TypeVar("Item")
C = TypeVar("C")

Conditions = tuple[Condition, ...]

_FEW = 3
"""So few wildcards are rather asked one by one."""
_FEW_LEFT = 10_000
"""If all excluded values together leave so little, it is found out at once what each of them leaves."""


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


class Lookup(Generic[C]):
    """Finds cells: what passing tests stand for, where it is posted together merged into one.

    Attributes:
        absent: what is found where the field has no value; None for nothing.
        string, number, literal: find what one string finds, one number as it was read, and one of true, false
            and null.
        numeric: whether some test asks about numbers.
    """

    def __init__(self, tests: Iterable[tuple[Conditions, Item]], merge: Merge[Item, C]) -> None:
        tables: _Tables[Item] = _Tables()
        absent: list[Item] = []
        self.numeric = False
        for conditions, item in tests:
            for condition in conditions:
                self.numeric = self.numeric or _is_numeric(condition)
                if isinstance(condition, Exists) and not condition.wanted:
                    absent.append(item)
                else:
                    tables.post(condition, item)
        finders = tables.finders(merge)
        self.absent = merge(absent) if absent else None
        self.string = finders.string or nothing
        self.number = finders.number or nothing
        self.literal = finders.literal or nothing

    def find(self, values: Sequence[Any]) -> Sequence[C]:
        """What is found for a field with these scalars."""
        if not values:
            return () if self.absent is None else (self.absent,)
        if len(values) == 1:
            return self._one(values[0])
        return [cell for value in values for cell in self._one(value)]

    def _one(self, value: Any) -> Sequence[C]:
        if isinstance(value, str):
            return self.string(value)
        return self.literal(value) if value is None or isinstance(value, bool) else self.number(value)


class _Finders(NamedTuple, Generic[C]):
    """A finder for each kind of value."""

    string: Finder[C] | None
    number: Finder[C] | None
    literal: Finder[C] | None


class _Tables(Generic[Item]):
    """What is posted under conditions on one value."""

    def __init__(self) -> None:
        self._posts: _Posts[_Post[Item]] = _Posts()
        self._excluding: list[tuple[AnythingBut, Item]] = []
        self._sure = True

    def post(self, condition: Condition, item: Item) -> None:
        if isinstance(condition, AnythingBut):
            self._excluding.append((condition, item))
        elif isinstance(condition, All):
            self._sure = False
            self._posts.post(min(condition.conditions, key=openness), _Post(item, condition))
        else:
            sure = is_exact(condition)
            self._sure = self._sure and sure
            self._posts.post(condition, _Post(item, None if sure else condition))

    def finders(self, merge: Merge[Item, C]) -> _Finders[C]:
        others = self._others(merge)
        if self._sure:
            found = self._posts.finders(lambda posts: merge([post.item for post in posts]))
            return _Finders(*(union(*both) for both in zip(found, others, strict=True)))
        asked = self._posts.finders(lambda posts: _Bucket.of(posts, merge))
        return _Finders(
            union(_confirmed(asked.string), others.string),
            union(_confirmed(asked.number, number_of), others.number),
            union(_confirmed(asked.literal), others.literal),
        )

    def _others(self, merge: Merge[Item, C]) -> _Finders[C]:
        """Finders of what is posted under `AnythingBut`: everything, without what the value excludes."""
        if not self._excluding:
            return _Finders(None, None, None)
        excluded: _Tables[int] = _Tables()
        for number, (condition, _) in enumerate(self._excluding):
            for one in condition.excluded:
                excluded.post(one, number)

        def without(numbers: frozenset[int]) -> Sequence[C]:
            left = [item for number, (_, item) in enumerate(self._excluding) if number not in numbers]
            return (merge(left),) if left else ()

        several = len(self._excluding)
        cells = Memo(without, lambda _: several)
        return _Finders(*(_without(cells, find, several) for find in excluded.finders(frozenset)))


class _Post(NamedTuple, Generic[Item]):
    """An item that is posted.

    Attributes:
        doubt: the condition to ask whether a value that finds the item meets it; None if every one does.
    """

    item: Item
    doubt: Condition | None


class _Bucket(NamedTuple, Generic[C]):
    """What is posted at one place.

    Attributes:
        sure: what values find without being asked.
        doubtful: the rest, each with what tells whether a value meets the condition.
        wildcards: finds what is posted under wildcards, if there are many.
    """

    sure: Sequence[C]
    doubtful: Sequence[tuple[Callable[[Any], bool], C]]
    wildcards: Finder[C] | None

    @classmethod
    def of(cls, posts: Sequence[_Post[Item]], merge: Merge[Item, C]) -> _Bucket[C]:
        """The bucket for some posts."""
        sure = [post.item for post in posts if post.doubt is None]
        doubtful: list[tuple[Callable[[Any], bool], C]] = []
        wildcards: Wildcards[Item] = Wildcards()
        many = sum(isinstance(post.doubt, Wildcard) for post in posts) > _FEW
        for item, doubt in posts:
            if not isinstance(doubt, Wildcard):
                if doubt is not None:
                    doubtful.append((doubt.matches, merge([item])))
            elif many:
                wildcards.post(doubt.parts, item)
            else:
                doubtful.append((tester(doubt.parts), merge([item])))
        return cls([merge(sure)] if sure else [], doubtful, wildcards.finder(merge) if many else None)


class _Posts(Generic[Item]):
    """What is posted under conditions, all of which is found by values that meet them."""

    def __init__(self) -> None:
        self._strings: Strings[Item] = Strings()
        self._addresses: Addresses[Item] = Addresses()
        self._numbers: Numbers[Item] = Numbers()
        self._literals: dict[bool | None, list[Item]] = defaultdict(list)
        self._every: list[Item] = []

    def post(self, condition: Condition, item: Item) -> None:
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

    def finders(self, merge: Merge[Item, C]) -> _Finders[C]:
        every = constant(self._every, merge)
        return _Finders(
            union(self._strings.finder(merge), self._addresses.finder(merge), every),
            union(self._numbers.finder(merge), every),
            union(table(self._literals, merge), every),
        )


def _confirmed(
    find: Finder[_Bucket[C]] | None, known: Callable[[Any], Value] | None = None
) -> Finder[C] | None:
    """A finder of what the buckets hold, as the conditions allow; `known` gives the value they know."""
    if find is None:
        return None
    if isinstance(find, Screened):
        return Screened(find.starts, find.ends, None, _confirmed(find.find) or nothing)

    def confirmed(value: Any) -> Sequence[C]:
        buckets = find(value)
        if not buckets:
            return ()
        found: list[C] = []
        for sure, doubtful, wildcards in buckets:
            found += sure
            if wildcards:
                found += wildcards(value)
            for meets, cell in doubtful:
                if meets(value if known is None else known(value)):
                    found.append(cell)
        return found

    return confirmed


def _without(
    cells: Memo[frozenset[int], Sequence[C]], find: Finder[frozenset[int]] | None, several: int
) -> Finder[C]:
    """A finder of everything, which is so many, but what is found."""
    nobody: frozenset[int] = frozenset()
    everything = cells[nobody]

    if find is None:
        return Table({}, everything[0])
    if isinstance(find, Table) and find.default is None and len(find.cells) * several <= _FEW_LEFT:
        left = {value: cells[excluded] for value, excluded in find.cells.items() if excluded}
        return Table({value: found[0] if found else None for value, found in left.items()}, everything[0])
    if isinstance(find, Single):
        cell = find.cell

        def others_than_one(value: Any) -> Sequence[C]:
            excluded = cell(value)
            return everything if excluded is None else cells[excluded]

        return others_than_one
    if isinstance(find, Screened):
        return Screened(find.starts, find.ends, everything[0], _without(cells, find.find, several))

    def others(value: Any) -> Sequence[C]:
        excluded = find(value)
        if not excluded:
            return everything
        return cells[excluded[0] if len(excluded) == 1 else nobody.union(*excluded)]

    return others


def openness(condition: Condition) -> float:
    """Which share of all values meets a condition, roughly; 0 for one that picks some values out."""
    match condition:
        case Exists() | AnythingBut() | Prefix("") | Suffix("") | Wildcard(("", "")):
            return 0.9
        case Numeric(((comparator, _), *_)) if comparator != "=":
            return 0.4
        case All(conditions):
            return min(map(openness, conditions))
        case _:
            return 0


def _is_numeric(condition: Condition) -> bool:
    match condition:
        case Equals() | Numeric():
            return True
        case All(several) | AnythingBut(several):
            return any(map(_is_numeric, several))
        case _:
            return False
