"""What was measured, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import growth, tables
from benchmarks.adversary import Resistance
from benchmarks.growth import SHAPES, SIZES, Point
from benchmarks.rivals import RIVALS, Comparison
from benchmarks.tables import table
from router.compiled import is_compiled


@dataclass(frozen=True, slots=True)
class Row:
    """One category.

    Attributes:
        index_ns, orjson_ns: nanoseconds an event.
        ratio: the index's speed as a multiple of that of `orjson.loads`.
        ruler: event-ruler's.
        over_ruler: the one by the other.
    """

    category: str
    index_ns: float
    orjson_ns: float
    ratio: float
    ruler: float
    over_ruler: float


@dataclass(slots=True)
class Results:
    """All that one run has measured so far."""

    events: int
    categories: list[Row] = field(default_factory=list)
    distinct: list[Row] = field(default_factory=list)
    adversarial: Resistance | None = None
    growth: list[Point] = field(default_factory=list)
    rivals: list[Comparison] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """Write them as JSON, with what they were measured on."""
        machine = tables.machine("orjson", "msgspec", "jmespath", "moto") | {"index": how()}
        file.write_text(json.dumps({"machine": machine, **asdict(self)}, indent=1) + "\n", "utf-8")


def how() -> str:
    """How the index runs: it is compiled where there was a C compiler when the router was installed."""
    return "compiled" if is_compiled() else "interpreted"


def categories(rows: Sequence[Row]) -> str:
    """A table of categories, and the geometric means."""
    cells = [
        (
            row.category,
            f"{row.index_ns:,.0f}",
            f"{row.orjson_ns:,.0f}",
            f"{row.ratio:.2f}",
            f"{row.ruler:.2f}",
            f"{row.over_ruler:.2f}",
        )
        for row in rows
    ]
    mean = (
        f"{statistics.geometric_mean(values):.2f}"
        for values in ([getattr(row, name) for row in rows] for name in ("ratio", "ruler", "over_ruler"))
    )
    head = (
        "category",
        "index, ns",
        "orjson.loads, ns",
        "ratio",
        "event-ruler's ratio",
        "ours / event-ruler's",
    )
    return table(head, [*cells, ("geometric mean", "", "", *mean)])


def adversarial(result: Resistance) -> str:
    """One line."""
    return f"{result.events_per_second:,.0f} events/s, {result.ratio:.4f} of orjson.loads"


def growth_table(points: Sequence[Point]) -> str:
    """A table of sizes, and by how much the speed falls."""
    by_place = {(point.rules, point.shape): point for point in points}
    cells = [
        (f"{size:,}", *(f"{point.events_per_second:,.0f} ({point.ratio:.2f})" for point in row))
        for size in SIZES
        for row in [[by_place[size, shape] for shape in SHAPES]]
    ]
    falls = (f"falls {growth.fall(points, shape):.2f}x" for shape in SHAPES)
    head = ("rules", *(f"{shape}, events/s (ratio)" for shape in SHAPES))
    return table(head, [*cells, ("10 to 10,000", *falls)])


def rivals(comparisons: Sequence[Comparison]) -> str:
    """A table of how much faster the index is."""
    head = ("category", *(f"than {name}" for name in RIVALS))
    return table(
        head, [(found.category, *(_verdict(found, name) for name in RIVALS)) for found in comparisons]
    )


def _verdict(found: Comparison, rival: str) -> str:
    if rival in found.cannot:
        return "cannot say it"
    if rival in found.wrong:
        return "wrong"
    return f"{found.faster[rival]:,.0f}x"
