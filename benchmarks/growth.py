"""From one rule to ten thousand, which test one field or three at once, on values that lots have."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.categories import check
from benchmarks.measure import race
from router.patterns import Index, parse

SIZES = (1, 10, 100, 1_000, 10_000)
SHAPES = {"one field": ("MAPBLKLOT",), "three fields": ("STREET", "ST_TYPE", "FROM_ST")}
"""By the shape's name the fields, under `properties`, that each of its rules tests for equality."""

_SEED = 1906

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """How fast an index with so many rules is.

    Attributes:
        ratio: its speed as a multiple of that of `orjson.loads`.
    """

    shape: str
    rules: int
    nanoseconds: float
    ratio: float

    @property
    def events_per_second(self) -> float:
        """On this machine."""
        return 1e9 / self.nanoseconds


def measure(lines: Sequence[bytes]) -> list[Point]:
    """Measure all sizes of each shape side by side.

    Raises:
        WrongMatchesError: an index found something else than a dictionary of the values.
    """
    return [point for shape in SHAPES for point in _measure(shape, lines)]


def fall(points: Iterable[Point], shape: str) -> float:
    """By how much the speed falls from 10 rules to 10,000 of a shape."""
    ratios = {point.rules: point.ratio for point in points if point.shape == shape}
    return ratios[10] / ratios[10_000]


def _measure(shape: str, lines: Sequence[bytes]) -> list[Point]:
    fields = SHAPES[shape]
    held = Counter(_key(line, fields) for line in lines)
    keys = _keys(held)
    indexes = {}
    for size in SIZES:
        rules = {
            str(number): parse(
                {"properties": {field: [value] for field, value in zip(fields, key, strict=True)}}
            )
            for number, key in enumerate(keys[:size])
        }
        indexes[size] = Index(rules)
    measured = race(lines, {str(size): index.match for size, index in indexes.items()})
    for size in SIZES:
        expected = {str(number): held[key] for number, key in enumerate(keys[:size])}
        check(f"growth, {shape}, {size} rules", measured.matches[str(size)], expected)
    return [Point(shape, size, measured.nanoseconds(str(size)), measured.ratio(str(size))) for size in SIZES]


def _key(line: bytes, fields: Sequence[str]) -> Key:
    properties = json.loads(line)["properties"]
    return tuple(properties[field] for field in fields)


def _keys(held: Counter[Key]) -> list[Key]:
    """What the rules ask for: values that lots have, and where these are too few, others."""
    keys = list(held)
    random.Random(_SEED).shuffle(keys)
    width = len(keys[0])
    return keys + [(f"NOWHERE {number}",) * width for number in range(max(SIZES) - len(keys))]
