"""One pass over an event: what its values find at the root of the tree, while they are being decoded.

Each field has a taker, a generator that goes on with every value of the field. It has all it needs in local
variables, and is sooner at work than a function is called: this is where the time goes.
"""

from __future__ import annotations

import inspect
from bisect import bisect_left
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

from router.patterns.index.finders import Finder, Table, nothing
from router.patterns.index.lookup import Lookup, flat
from router.patterns.index.memo import Memo
from router.patterns.index.numbers import Slots, shortest
from router.patterns.index.recording import Reader, Segments, UnreadableError
from router.patterns.index.tree import Hit

Getter = Callable[[Any], Hit | None]
"""Gives what a value finds. One that gives nothing may have done something with the value itself."""

Taker = Generator[object, Any, None]

_nothing: Getter = {}.get


class Getters(NamedTuple):
    """What strings, numbers as they were read, and true, false and null are given to."""

    string: Getter
    number: Getter
    literal: Getter


class Scan:
    """What one event's values find. It must be released before the next.

    Attributes:
        found: what was found so far.
        met: the scalars of the fields that are asked for later, by their numbers.
        leaves: a type for each field: `leaf[value]` takes a value of the field and gives an instance.
        decode: takes all values of an event as JSON text; raises one of `REFUSALS` if it cannot.
        objects: as in `Reader`.
    """

    __slots__ = ("_idle", "_takers", "decode", "found", "leaves", "met", "objects")

    def __init__(
        self, lookups: Sequence[Lookup[Hit] | None], kept: Collection[int], idle: list[Scan]
    ) -> None:
        """Look up values at the root of the tree, by the fields' numbers, and keep those of some fields."""
        self._idle = idle
        self.found: list[Hit] = []
        self.met: dict[int, list[Any]] = {field: [] for field in kept}
        self.objects: list[Any] = []
        self.decode: Callable[[bytes], Any] = _refuse
        self.leaves: list[Any] = []
        self._takers: dict[int, Taker] = {}
        for field, lookup in enumerate(lookups):
            self.leaves.append(type("Leaf", (), {"__slots__": ()}))
            self._attach(field, lookup, remember=True)

    def release(self) -> None:
        """Forget the event, and let others use the scan."""
        self.found.clear()
        if self.objects:
            self.objects.clear()
        for values in compress(self.met.values(), self.met.values()):
            values.clear()
        self._idle.append(self)

    def give_up(self) -> None:
        """Release it after an event that could not be read, unless what happened ended a taker."""
        if not any(inspect.getgeneratorstate(taker) == inspect.GEN_CLOSED for taker in self._takers.values()):
            self.release()

    def _attach(self, field: int, lookup: Lookup[Hit] | None, *, remember: bool) -> None:
        """Let a new taker have a field's values."""
        getters = Getters(_nothing, _nothing, _nothing)
        slots = None
        if lookup is not None:
            string = self._getter(lookup.string)
            if remember and not (lookup.string is nothing or isinstance(lookup.string, Table)):
                forget = partial(self._attach, field, lookup, remember=False)
                string = _Known(lookup.string, forget).__getitem__
            getters = Getters(string, self._getter(lookup.number), self._getter(lookup.literal))
            slots = lookup.number if isinstance(lookup.number, Slots) else None
        if field in self.met:
            keep = self.met[field].append
            getters = Getters(*(_both(keep, get) for get in getters))
            slots = None
        leaf = self.leaves[field]
        taker = self._takers[field] = _taker(leaf(), getters, slots, self.found.append)
        next(taker)
        leaf.__class_getitem__ = taker.send

    def _getter(self, find: Finder[Hit]) -> Getter:
        """What gives one hit, or adds several by itself."""
        if find is nothing:
            return _nothing
        if isinstance(find, Table | Slots):
            return find.cell
        add_all = self.found.extend
        return lambda value: add_all(find(value))


class _Known(Memo[str, Hit | None]):
    """Remembers what the strings of a field find, unless there are too many different ones."""

    __slots__ = ("_forget",)

    def __init__(self, find: Finder[Hit], forget: Callable[[], None]) -> None:
        together = Memo(Hit.together, Hit.weight)

        def get(value: str) -> Hit | None:
            hits = find(value)
            if len(hits) > 1:
                return together[tuple(hits)]
            return hits[0] if hits else None

        super().__init__(get, lambda _: 0)
        self._forget = forget

    def full(self) -> None:
        """Do without from now on."""
        self._forget()


def _both(keep: Callable[[Any], None], get: Getter) -> Getter:
    """A getter that keeps the value too."""
    if get is _nothing:
        return keep

    def keep_and_get(value: Any) -> Hit | None:
        keep(value)
        return get(value)

    return keep_and_get


def _taker(instance: object, getters: Getters, slots: Slots[Hit] | None, add: Callable[[Hit], None]) -> Taker:  # noqa: C901 - a table of the kinds of values; calls would double the time
    """Takes one value after the other. Decimal numbers are looked up here where there are only `slots`."""
    string, number, literal = getters
    at, between, cuts = (slots.at, slots.between, slots.cuts) if slots else ({}, [], [])
    value = yield instance
    while True:
        kind = type(value)
        hit: Hit | None = None
        if kind is str:
            hit = string(value)
        elif kind is bytes and slots:
            known = shortest(value)
            if known is None:
                hit = number(value)
            elif known in at:
                hit = at[known]
            else:
                hit = between[bisect_left(cuts, known)]
        elif kind is bytes or kind is int:
            hit = number(value)
        elif kind is list:
            for one in flat(value):
                get = string if isinstance(one, str) else number if type(one) in (bytes, int) else literal
                if (found := get(one)) is not None:
                    add(found)
        elif kind is not dict:
            hit = literal(value)
        if hit:
            add(hit)
        value = yield instance


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
        """Scan for the fields that are looked up or kept."""
        self._paths = {path: field for path, field in paths.items() if lookups[field] or field in kept}
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
            reader = Reader(self._paths, scan.leaves, self._shared)
            scan.decode, scan.objects = reader.decode, reader.objects
        return scan
