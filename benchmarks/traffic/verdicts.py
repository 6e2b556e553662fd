"""The bounds that the router is held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.traffic.intervals import Interval, interval
from benchmarks.traffic.race import Measured, Window

_MILLISECOND = 1e-3


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bound, and what was measured.

    Attributes:
        most: the bound is an upper one; otherwise a lower one.
        figures: what is held to it, by how it was measured. With all of them it has to hold.
        unit: of the bound and the figures.
    """

    what: str
    bound: float
    most: bool
    figures: Mapping[str, Interval]
    unit: str = "x"

    @property
    def holds(self) -> bool:
        """Whether every interval lies whole on the right side."""
        return all(
            figure.is_sure and (figure.high <= self.bound if self.most else figure.low >= self.bound)
            for figure in self.figures.values()
        )


def verdicts(results: Mapping[str, Measured]) -> list[Verdict]:
    """Those of which everything was measured."""
    found = [
        _faster("one HTTP target, of the bare limit", 0.75, results, "http", "bare"),
        _faster("a file target, of a bare server that only answers", 0.55, results, "file", "answer"),
        _faster("batches of 100 in and out, of the bare limit", 2.5, results, "batches", "bare"),
        _faster("10,000 rules, of the rate with 10", 0.9, results, "rules-10000", "rules-10"),
        _within("one HTTP target at half load, accept p99", 20, results, "http", "accept_p99"),
        _within("one HTTP target at half load, deliver p99", 40, results, "http", "deliver_p99"),
        _slower("the third target's p99 beside two broken ones", 1.5, results, "troubled", "healthy"),
    ]
    return [one for one in found if one is not None]


def backlog(events: int, memory: int) -> Verdict:
    """Resident memory with so many events waiting: one measurement, no interval."""
    megabytes = memory / 1e6
    exactly = Interval(megabytes, megabytes, megabytes, 1.0)
    return Verdict(f"resident memory, {events:,} events waiting", 200, True, {"": exactly}, "MB")  # noqa: FBT003


def _faster(what: str, bound: float, results: Mapping[str, Measured], one: str, other: str) -> Verdict | None:
    if not (one in results and other in results and results[one].sustained):
        return None
    pairs = list(zip(results[one].sustained, results[other].sustained, strict=True))
    return Verdict(
        what,
        bound,
        most=False,
        figures={
            "by processor time": interval([than.cost / own.cost for own, than in pairs]),
            "by the clock": interval([own.rate / than.rate for own, than in pairs]),
        },
    )


def _within(
    what: str, bound: float, results: Mapping[str, Measured], name: str, figure: str
) -> Verdict | None:
    if name not in results or not results[name].half:
        return None
    values = [getattr(window, figure) / _MILLISECOND for window in results[name].half]
    return Verdict(what, bound, most=True, figures={"": interval(values)}, unit="ms")


def _slower(what: str, bound: float, results: Mapping[str, Measured], one: str, other: str) -> Verdict | None:
    if not (one in results and other in results and results[one].half):
        return None
    ratios = [
        own / than for own, than in zip(_late(results[one].half), _late(results[other].half), strict=True)
    ]
    return Verdict(what, bound, most=True, figures={"": interval(ratios)})


def _late(windows: Sequence[Window]) -> list[float]:
    return [window.deliver_p99 or 0.0 for window in windows]
