"""One pass over an event: what its values find at the root of the tree, while they are being decoded.

msgspec calls `take` for every value of every field: this is where the time goes. So each field has a getter
that is asked first, the `get` of a dict wherever possible: rather of a small one, which stays in the
processor's nearest cache, than of one that remembers thousands of values. Numbers in arrays wait until all
are there, and are read all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from sys import getsizeof
from typing import Any, Literal

from router.patterns.index.finders import Finder, Screened, Table, nothing
from router.patterns.index.found import Found, Outcomes
from router.patterns.index.keyed import Keyed
from router.patterns.index.lookup import Lookup, flat
from router.patterns.index.memo import LONGEST, MOST, Memo
from router.patterns.index.numbers import Slots
from router.patterns.index.recording import Reader, Segments, Take, UnreadableError
from router.patterns.index.tree import Hit

Answer = Hit | Literal[False] | None
"""A hit; False for nothing; None if nothing is known."""

Getter = Callable[[Any], Answer]
"""Looks a scalar up. It raises a TypeError for an array or object, as the `get` of a dict does."""

_ARRAYS = frozenset((list, dict))
_ROOM = 1_000_000
"""Bytes of strings that are remembered for one field."""
_FEW = 2
"""So few numbers are rather looked up one by one."""

_nothing: Getter = {}.get

_Field = tuple[Getter, Getter | None, Hit | None, object]
"""What is asked first for a value; what is asked if that answers None, and if nothing is, what is found then;
an instance of the field's type."""


class Scan:
    """What one event's values find. It must be released before the next.

    Attributes:
        found: at its one place, what was found so far.
        met: the values of the fields that are asked for later, by their numbers.
        leaves, several: a type for each field, and one for its values in arrays.
        take: takes a value of a field, given its type; gives an instance.
        decode: takes all values of an event as JSON text; raises one of `REFUSALS` if it cannot.
        objects: as in `Reader`.
        late: values that are rather looked up all at once, and what does so as soon as all are met.
        keyed: look up what values of several fields find together, as `Keyed.single`.
    """

    __slots__ = (
        "_ask",
        "_idle",
        "_kept",
        "_start",
        "decode",
        "found",
        "keyed",
        "late",
        "leaves",
        "met",
        "objects",
        "several",
        "take",
    )

    def __init__(
        self,
        lookups: Sequence[Lookup[Hit] | None],
        kept: Collection[int],
        keyed: Sequence[Keyed],
        outcomes: Outcomes,
        idle: list[Scan],
    ) -> None:
        """Look up values at the root of the tree, by the fields' numbers, and keep those of some fields."""
        self._start = outcomes.start
        self._idle = idle
        self.found: list[Found] = [self._start]
        self.met: dict[int, list[Any]] = {field: [] for field in kept}
        self.late: list[tuple[list[Any], Callable[[], None]]] = []
        self.keyed = [one.single(self.met) for one in keyed]
        self.objects: list[Any] = []
        self.decode: Callable[[bytes], Any] = _refuse
        self.leaves: list[type] = [type("Leaf", (), {"__slots__": ()}) for _ in lookups]
        self.several = [*self.leaves]
        fields: dict[type, _Field] = {}
        self.take, self._ask = _taker(fields, self.found), fields.__setitem__
        if len(lookups) == 1 and not (lookups[0] and isinstance(lookups[0].number, Slots)):
            self.take, self._ask = _taker_of_one(self.found)
        for field, lookup in enumerate(lookups):
            self._attach(field, lookup, remember=True)
            if lookup and field not in self.met and isinstance(lookup.number, Slots):
                self._gather(field, lookup.number)
        self._kept = [*self.met.values(), *(values for values, _ in self.late)]

    @property
    def entangled(self) -> bool:
        """Whether at one place there are several objects in which fields of one pattern stand."""
        return len(self.objects) > 1 and len({*map(type, self.objects)}) < len(self.objects)

    def add(self, hit: Hit) -> None:
        """Add what was found."""
        self.found[0] = self.found[0][hit]

    @property
    def waiting(self) -> Sequence[Any]:
        """A list that is empty as long as `look_up` has nothing to do."""
        return self.late[0][0] if len(self.late) == 1 else self.late

    def look_up(self) -> None:
        """Look up what has waited for the event's end."""
        for values, look_up in self.late:
            if values:
                look_up()

    def outcome(self) -> Found | None:
        """All that was found; None if more of the event has to be known."""
        found = self.found[0]
        entangled = len(self.objects) > 1 and self.entangled
        if self.keyed:
            if entangled:
                return None
            try:
                for find in self.keyed:
                    if hit := find():
                        found = found[hit]
            except (ValueError, TypeError):
                return None
        found.settle()
        return None if found.nodes or (entangled and found.tied) else found

    def flatten(self) -> None:
        """Replace arrays among the values by the scalars in them."""
        for values in self.met.values():
            if not _ARRAYS.isdisjoint(map(type, values)):
                values[:] = flat(values)

    def release(self) -> None:
        """Forget the event, and let others use the scan."""
        self.forget()
        self._idle.append(self)

    def forget(self) -> None:
        """Forget the event."""
        self.found[0] = self._start
        self.objects.clear()
        for values in self._kept:
            if values:
                values.clear()

    def _attach(self, field: int, lookup: Lookup[Hit] | None, *, remember: bool) -> None:
        """Say how a field's values are looked up, and whether what strings find is remembered."""
        leaf = self.leaves[field]
        learn: Getter | None = None
        default: Hit | None = None
        keep = self.met[field].append if field in self.met else None
        if lookup is None:
            get = keep or _nothing
        elif isinstance(lookup.number, Slots):
            get = lookup.number.getter(_by_kind(lookup.string, nothing, lookup.literal, self.found))
        elif table := _plain_table(lookup):
            get = {value: cell or False for value, cell in table.cells.items()}.get
            default = table.default
        elif remember and not (lookup.numeric or lookup.string is nothing):
            known = _Known(lookup.string, partial(self._attach, field, lookup, remember=False))
            get = known.get
            learn = _by_kind(known.look_up, lookup.number, lookup.literal, self.found)
        elif isinstance(lookup.string, Screened):
            others = _by_kind(lookup.string.find, lookup.number, lookup.literal, self.found)
            get = _screened(lookup.string, others)
        else:
            get = _by_kind(lookup.string, lookup.number, lookup.literal, self.found)
        if lookup and keep:
            get, learn, default = _keeping(keep, get, learn, default), None, None
        self._ask(leaf, (get, learn, default, leaf()))

    def _gather(self, field: int, slots: Slots[Hit]) -> None:
        """Have a field's values that stand in arrays looked up all at once, by `late`."""
        values: list[Any] = []
        self.several[field] = leaf = type("Leaf", (), {"__slots__": ()})
        self._ask(leaf, (values.append, None, None, leaf()))
        look_up = partial(_take_all, values, slots, partial(self.take, self.leaves[field]), self.found)
        self.late.append((values, look_up))


def _plain_table(lookup: Lookup[Hit]) -> Table[Hit] | None:
    """The table in which all values of a field can be looked up; None if there is none."""
    string, number, literal = lookup.string, lookup.number, lookup.literal
    if not (isinstance(string, Table) and isinstance(number, Table) and isinstance(literal, Table)):
        return None
    alike = not (number.cells or literal.cells) and string.default is number.default is literal.default
    return string if alike else None


def _taker(fields: Mapping[type, _Field], found: list[Found]) -> Take:
    """Takes one value after the other, and adds what it finds."""

    def take(leaf: type, value: Any) -> object:
        get, learn, default, instance = fields[leaf]
        try:
            hit = get(value)
        except TypeError:
            for one in flat([value]):
                take(leaf, one)
            return instance
        if hit is None:
            hit = learn(value) if learn else default
        if hit:
            found[0] = found[0][hit]
        return instance

    return take


def _taker_of_one(found: list[Found]) -> tuple[Take, Callable[[type, _Field], None]]:
    """As `_taker` where there is one field, which need not be looked up; and what says how to ask for it."""
    get: Getter = _nothing
    learn: Getter | None = None
    default: Hit | None = None
    instance: object = None

    def take(leaf: type, value: Any) -> object:
        try:
            hit = get(value)
        except TypeError:
            for one in flat([value]):
                take(leaf, one)
            return instance
        if hit is None:
            hit = learn(value) if learn else default
        if hit:
            found[0] = found[0][hit]
        return instance

    def ask(_leaf: type, field: _Field) -> None:
        nonlocal get, learn, default, instance
        get, learn, default, instance = field

    return take, ask


def _by_kind(string: Finder[Hit], number: Finder[Hit], literal: Finder[Hit], found: list[Found]) -> Getter:
    """Looks up strings, numbers as they were read, and true, false and null, and adds what they find."""

    def get(value: Any) -> None:
        kind = type(value)
        if kind is str:
            hits = string(value)
        elif kind is bytes or kind is int:
            hits = number(value)
        elif kind is list or kind is dict:
            raise TypeError
        else:
            hits = literal(value)
        for hit in hits:
            found[0] = found[0][hit]

    return get


def _screened(string: Screened[Hit], others: Getter) -> Getter:
    """Looks up most strings at once, and by `others` what begins or ends as something that is looked for."""
    starts, ends = string.starts, string.ends
    usual: Answer = string.default or False

    def get(value: Any) -> Answer:
        if type(value) is not str or (starts and value.startswith(starts)) or (ends and value.endswith(ends)):
            return others(value)
        return usual

    return get


def _take_all(
    values: list[Any], slots: Slots[Hit], take: Callable[[Any], object], found: list[Found]
) -> None:
    """Look up values that a field has in arrays, and add what they find."""
    hits = slots.together(values) if len(values) > _FEW else None
    if hits is None:
        for value in values:
            take(value)
    else:
        for hit in hits:
            if hit:
                found[0] = found[0][hit]
    values.clear()


def _keeping(keep: Callable[[Any], None], get: Getter, learn: Getter | None, default: Hit | None) -> Getter:
    """A getter that keeps the value too."""

    def keep_and_get(value: Any) -> Answer:
        answer = get(value)
        keep(value)
        if answer is None:
            answer = learn(value) if learn else default
        return answer

    return keep_and_get


class _Known(dict[str, Hit | Literal[False]]):
    """Remembers what the strings of a field find, unless there are too many different ones."""

    __slots__ = ("_find", "_forget", "_room", "_together")

    def __init__(self, find: Finder[Hit], forget: Callable[[], None]) -> None:
        super().__init__()
        self._find = find
        self._forget = forget
        self._room = _ROOM
        self._together = Memo(Hit.together, Hit.weight)

    def look_up(self, value: str) -> Sequence[Hit]:
        """What a string finds."""
        hits = self._find(value)
        if len(hits) > 1:
            hits = (self._together[tuple(hits)],)
        size = getsizeof(value)
        if size <= LONGEST:
            self[value] = hits[0] if hits else False
            self._room -= size
            if self._room < 0 or len(self) > MOST:
                self._forget()
        return hits


def _refuse(_event: bytes) -> None:
    raise UnreadableError


class Scans:
    """As many scans of the same fields as there are threads."""

    def __init__(
        self,
        paths: Mapping[Segments, int],
        shared: Collection[Segments],
        lookups: Sequence[Lookup[Hit] | None],
        kept: Collection[int],
        keyed: Sequence[Keyed],
        outcomes: Outcomes,
    ) -> None:
        """Scan for the fields that are looked up or kept."""
        self._paths = {path: field for path, field in paths.items() if lookups[field] or field in kept}
        self._shared = shared
        self._lookups = lookups
        self._kept = kept
        self._keyed = keyed
        self._outcomes = outcomes
        self._idle: list[Scan] = []

    def take(self) -> Scan:
        """One that nobody else uses. If no `Reader` reads its fields, it refuses to decode anything."""
        with suppress(IndexError):  # no two threads can pop the same
            return self._idle.pop()
        scan = Scan(self._lookups, self._kept, self._keyed, self._outcomes, self._idle)
        with suppress(UnreadableError):
            several = scan.several if scan.late else scan.leaves
            reader = Reader(self._paths, scan.leaves, several, self._shared, scan.take)
            scan.decode, scan.objects = reader.decode, reader.objects
        return scan
