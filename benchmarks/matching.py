"""How fast the index is: `python -m benchmarks.matching`.

The exit status is 0, or 1 if a rule matched other events than it has to: then no number counts.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import adversary, categories, chart, growth, report, rivals
from benchmarks.categories import Category, WrongMatchesError
from benchmarks.columns import COUNT
from benchmarks.lots import lots
from benchmarks.measure import YARDSTICK, race
from benchmarks.report import Results, Row
from router.patterns import Index

SLOW = 1_000
"""How many events the rivals get."""

ADVERSARIAL = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        The exit status.
    """
    options = _options(arguments)
    gc.collect()
    gc.freeze()  # what the imports have made is no part of what is measured
    try:
        results = run(options.events, options.only)
    except WrongMatchesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        results.write(options.json)
    if options.svg:
        options.svg.write_text(chart.draw(results.growth), "utf-8")
    return 0


def run(events: int, only: Sequence[str]) -> Results:
    """Measure, and print each table as soon as it is known.

    Raises:
        WrongMatchesError: a rule matched other events than it has to.
    """
    results = Results(events)
    chosen = [category for category in categories.load() if not only or category.name in only]
    lines = list(itertools.islice(lots(), events))
    results.categories = [_row(category, lines, distinct=False) for category in chosen]
    _show(f"Categories: {events:,} events, the index {report.how()}", report.categories(results.categories))
    if not only:
        results.growth = growth.measure(lines)
        _show("Growth", report.growth_table(results.growth))
        results.adversarial = adversary.measure(lines[:ADVERSARIAL])
        _show(f"Adversarial: {adversary.COUNT:,} wildcards", report.adversarial(results.adversarial))
    results.rivals = [rivals.measure(category, lines[:SLOW]) for category in chosen]
    _show(
        f"Rivals: how much faster the index is, {len(lines[:SLOW]):,} events", report.rivals(results.rivals)
    )
    lines = list(itertools.islice(lots(distinct=True), events))
    results.distinct = [_row(category, lines, distinct=True) for category in chosen]
    _show("High cardinality: every string distinct", report.categories(results.distinct))
    return results


def _row(category: Category, lines: Sequence[bytes], *, distinct: bool) -> Row:
    """Measure one category, with a new index.

    Raises:
        WrongMatchesError: a rule matched other events than it has to.
    """
    measured = race(lines, {"index": Index(category.patterns).match})
    what = f"{category.name}, every string distinct" if distinct else category.name
    categories.check(what, measured.matches["index"], category.expected(lines, distinct=distinct))
    ratio = measured.ratio("index")
    return Row(
        category.name,
        measured.nanoseconds("index"),
        measured.nanoseconds(YARDSTICK),
        ratio,
        category.ruler,
        ratio / category.ruler,
    )


def _show(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.matching", description="How fast the index is.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the growth curve")
    parser.add_argument(
        "--events",
        type=int,
        default=COUNT,
        metavar="N",
        help="take so many events only, and the numbers of matches from the plain matcher, which is slow",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CATEGORY",
        choices=[category.name for category in categories.load()],
        help="measure these categories only, and no growth",
    )
    options = parser.parse_args(arguments)
    if options.svg and options.only:
        parser.error("--svg draws the growth, which --only leaves out")
    if not 1 <= options.events <= COUNT:
        parser.error(f"--events is between 1 and {COUNT}")
    return options


if __name__ == "__main__":
    sys.exit(main())
