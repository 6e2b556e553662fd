"""Branches that ask several fields for one string or null each: found at once, by those values together.

However many there are, and however few values their fields have, each by itself: no field has to tell them
apart alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product
from math import prod

from router.patterns.conditions import Exact, Literal
from router.patterns.index.tree import Hit, Met, Test, Way

_FEW = 8
"""So few branches rather go by the tree: for these, it is not worth while to read all their fields."""
_MOST_KEYS = 16
"""For one branch."""

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Keyed:
    """Branches that ask the same fields.

    Attributes:
        hits: what values of these fields find, in the same order.
    """

    fields: tuple[int, ...]
    hits: dict[Key, Hit]

    def single(self, met: Met) -> Callable[[], Hit | None]:
        """A function that gives what the fields find when each has one value.

        It raises a ValueError or TypeError if it cannot tell: a field has more values, or an array.
        """
        values = [met[field] for field in self.fields]
        most, get = len(values), self.hits.get

        def find() -> Hit | None:
            key = tuple(chain(*values))
            if len(key) > most:
                raise ValueError
            return get(key) if all(values) else None

        return find

    def find(self, met: Met) -> Sequence[Hit]:
        """What the fields' values find."""
        values = [
            {value for value in met[field] if value is None or isinstance(value, str)}
            for field in self.fields
        ]
        if prod(map(len, values)) > len(self.hits):
            return [
                hit
                for key, hit in self.hits.items()
                if all(value in some for value, some in zip(key, values, strict=True))
            ]
        return [self.hits[key] for key in product(*values) if key in self.hits]


def by_keys(ways: Iterable[Way]) -> tuple[list[Keyed], list[Way]]:
    """Those of these ways that can be keyed, and are enough to be worth while; and the rest."""
    rest: list[Way] = []
    alike: dict[tuple[int, ...], list[Way]] = defaultdict(list)
    for way in ways:
        keys = prod(len(_asked(test)) for test in way.tests)
        if len(way.tests) > 1 and 0 < keys <= _MOST_KEYS:
            alike[tuple(sorted(test.field for test in way.tests))].append(way)
        else:
            rest.append(way)
    found = []
    for fields, several in alike.items():
        if len(several) > _FEW:
            found.append(_of(fields, several))
        else:
            rest += several
    return found, rest


def _of(fields: tuple[int, ...], ways: Iterable[Way]) -> Keyed:
    branches: dict[Key, list[int]] = defaultdict(list)
    for way in ways:
        for key in _keys(way):
            branches[key].append(way.branch)
    return Keyed(fields, {key: Hit(several, ()) for key, several in branches.items()})


def _keys(way: Way) -> list[Key]:
    """All values that a way asks its fields for, in the order of the fields."""
    tests = sorted(way.tests, key=lambda test: test.field)
    return [*product(*map(_asked, tests))]


def _asked(test: Test) -> Sequence[str | None]:
    """The values that a test asks for, if it is just strings and null: of no others is there one spelling."""
    values: list[str | None] = []
    for condition in test.conditions:
        match condition:
            case Exact(text):
                values.append(text)
            case Literal(None):
                values.append(None)
            case _:
                return ()
    return values
