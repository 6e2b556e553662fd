"""One pass over an event: what its values find at the root of the tree, while they are being decoded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import compress
from typing import Any, ClassVar

from router.patterns.index.finders import Finder, Table, nothing
from router.patterns.index.lookup import Lookup, flat
from router.patterns.index.memo import Memo
from router.patterns.index.numbers import Slots
from router.patterns.index.recording import Reader, Segments, UnreadableError
from router.patterns.index.tree import Hit

Getter = Callable[[Any], Hit | None]


class Leaf:
    """A type that stands for a field in a `Reader`; its instances say nothing, it is the values that count.

    Attributes:
        string, number, literal: take one value, and give what it finds at the root of the tree. Those which
            give nothing may have put it into a list, to be asked later.
        instance: one of its instances.
    """

    __slots__ = ()

    string: ClassVar[Getter]
    number: ClassVar[Getter]
    literal: ClassVar[Getter]
    instance: ClassVar[Leaf]


class Scan:
    """What one event's values find. It must be released before the next.

    Attributes:
        found: what was found so far.
        numbers: the numbers of each field that is looked up for some, for `look` to look them up.
        met: the scalars of the fields that are asked for later, by their numbers.
        leaves: the types of all fields.
        take: takes a value of a field, given its type.
        decode: takes all values of an event as JSON text; raises one of `REFUSALS` if it cannot.
        objects: as in `Reader`.
    """

    __slots__ = (
        "_finders",
        "_idle",
        "_lists",
        "decode",
        "found",
        "leaves",
        "met",
        "numbers",
        "objects",
        "take",
    )

    def __init__(
        self, lookups: Sequence[Lookup[Hit] | None], kept: Collection[int], idle: list[Scan]
    ) -> None:
        """Look up values at the root of the tree, by the fields' numbers, and keep those of some fields."""
        self._idle = idle
        self.found: list[Hit] = []
        self.numbers: list[list[Any]] = []
        self.met: dict[int, list[Any]] = {field: [] for field in kept}
        self.objects: list[Any] = []
        self._finders: list[tuple[list[Any], Finder[Hit]]] = []
        self.leaves = [self._leaf(field, lookup) for field, lookup in enumerate(lookups)]
        self._lists = [*self.numbers, *self.met.values()]
        self.take = _taking(self.found)
        self.decode: Callable[[bytes], Any] = _refuse

    def look(self) -> None:
        """Look up the numbers, those of one field together."""
        for numbers, find in compress(self._finders, self.numbers):
            if len(numbers) == 1:
                self.found += find(numbers[0])
            elif isinstance(find, Slots):
                self.found += find.find_all(numbers)
            else:
                self.found += [hit for number in numbers for hit in find(number)]
            numbers.clear()

    def release(self) -> None:
        """Forget the event, and let others use the scan."""
        self.found.clear()
        if self.objects:
            self.objects.clear()
        for values in compress(self._lists, self._lists):
            values.clear()
        self._idle.append(self)

    def _leaf(self, field: int, lookup: Lookup[Hit] | None) -> type[Leaf]:
        leaf: type[Leaf] = type("Leaf", (Leaf,), {"__slots__": ()})
        leaf.instance = leaf()
        leaf.string = leaf.number = leaf.literal = _nothing
        if lookup is not None:
            leaf.string = self._string(lookup.string, leaf)
            leaf.literal = self._direct(lookup.literal)
            if lookup.number is not nothing:
                self.numbers.append([])
                self._finders.append((self.numbers[-1], lookup.number))
                leaf.number = self.numbers[-1].append
        if field in self.met:
            keep = self.met[field].append
            leaf.string, leaf.number, leaf.literal = (
                _both(keep, get) for get in (leaf.string, leaf.number, leaf.literal)
            )
        return leaf

    def _string(self, find: Finder[Hit], leaf: type[Leaf]) -> Getter:
        """The getter for strings; what it knows it gives without a line of Python."""
        if find is nothing:
            return _nothing
        if isinstance(find, Table):
            return find.cells.get
        return _Known(find, leaf, self._direct(find)).__getitem__

    def _direct(self, find: Finder[Hit]) -> Getter:
        """A getter that adds by itself what is found."""
        if find is nothing:
            return _nothing
        add_all = self.found.extend
        return lambda value: add_all(find(value))


class _Known(Memo[str, Hit | None]):
    """Remembers what the strings of a field find, unless there are too many different ones."""

    __slots__ = ("_direct", "_leaf")

    def __init__(self, find: Finder[Hit], leaf: type[Leaf], direct: Getter) -> None:
        together = Memo(Hit.together, _weight)

        def get(value: str) -> Hit | None:
            hits = find(value)
            if len(hits) > 1:
                return together[tuple(hits)]
            return hits[0] if hits else None

        super().__init__(get, _weight)
        self._leaf = leaf
        self._direct = direct

    def full(self) -> None:
        """Do without from now on."""
        if self._leaf.string == self.__getitem__:
            self._leaf.string = self._direct


def _weight(hit: Hit | None) -> int:
    return len(hit.branches) + len(hit.nodes) if hit else 0


_nothing: Getter = {}.get


def _both(keep: Callable[[Any], None], get: Getter) -> Getter:
    """A getter that keeps the value too."""
    if get is _nothing:
        return keep

    def keep_and_get(value: Any) -> Hit | None:
        keep(value)
        return get(value)

    return keep_and_get


def _taking(found: list[Hit]) -> Callable[[type[Leaf], Any], Leaf]:
    """What gets the values from the decoder. This is where the time goes."""
    add = found.append

    def take(leaf: type[Leaf], value: Any) -> Leaf:
        kind = type(value)
        if kind is str:
            hit = leaf.string(value)
        elif kind is bytes or kind is int:
            hit = leaf.number(value)
        elif kind is list:
            for one in flat(value):
                take(leaf, one)
            return leaf.instance
        elif kind is dict:
            return leaf.instance
        else:
            hit = leaf.literal(value)
        if hit:
            add(hit)
        return leaf.instance

    return take


def _refuse(_event: bytes) -> None:
    raise UnreadableError


class Scans:
    """As many scans of the same fields as there are threads.

    Attributes:
        idle: those that nobody uses. No two threads can pop the same.
    """

    def __init__(
        self,
        paths: Mapping[Segments, int],
        shared: Collection[Segments],
        lookups: Sequence[Lookup[Hit] | None],
        kept: Collection[int],
    ) -> None:
        self._paths = paths
        self._shared = shared
        self._lookups = lookups
        self._kept = kept
        self.idle: list[Scan] = []

    def take(self) -> Scan:
        """One that nobody else uses. If no `Reader` reads its fields, it refuses to decode anything."""
        with suppress(IndexError):
            return self.idle.pop()
        scan = Scan(self._lookups, self._kept, self.idle)
        with suppress(UnreadableError):
            reader = Reader(self._paths, scan.leaves, self._shared, scan.take)
            scan.decode, scan.objects = reader.decode, reader.objects
        return scan
