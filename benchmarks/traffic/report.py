"""What was measured, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import tables
from benchmarks.tables import table
from benchmarks.traffic.intervals import Interval, interval
from benchmarks.traffic.race import Measured, Window
from benchmarks.traffic.verdicts import Verdict

PACKAGES = ("uvicorn", "uvloop", "httptools", "pyreqwest", "msgspec", "aiosqlite", "httpx")


@dataclass(slots=True)
class Results:
    """All that one run has measured.

    Attributes:
        fdatasync_p50, fdatasync_p99: seconds, of 4 kB appended to a file in the folder where the stores are.
        variants: by name.
        verdicts: the bounds.
    """

    fdatasync_p50: float
    fdatasync_p99: float
    variants: dict[str, Measured]
    verdicts: list[Verdict] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """Write them as JSON, with what they were measured on."""
        document = {"machine": tables.machine(*PACKAGES), **asdict(self)}
        for verdict, said in zip(self.verdicts, document["verdicts"], strict=True):
            said["holds"] = verdict.holds
        file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def sustained(results: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """A table of how fast everything is."""
    head = ("sustained", "CPU µs/event", "events/CPU-s", "events/s", "CPU", "memory, MB")
    rows = [
        (
            titles[name],
            _said(measured.sustained, lambda window: window.cost * 1e6, "{:,.1f}"),
            _said(measured.sustained, lambda window: 1 / window.cost, "{:,.0f}"),
            _said(measured.sustained, lambda window: window.rate, "{:,.0f}"),
            _middle(measured.sustained, lambda window: 100 * window.processor / window.seconds, "{:.0f} %"),
            f"{max(window.memory for window in measured.sustained) / 1e6:,.0f}",
        )
        for name, measured in results.items()
        if measured.sustained
    ]
    return table(head, rows)


def half(results: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """A table of how late everything is at half load."""
    head = (
        "at half load",
        "events/s",
        "CPU µs/event",
        "accept p50, ms",
        "accept p99, ms",
        "deliver p50, ms",
        "deliver p99, ms",
    )
    figures = ("accept_p50", "accept_p99", "deliver_p50", "deliver_p99")
    rows = [
        (
            titles[name],
            _middle(measured.half, lambda window: window.rate, "{:,.0f}"),
            _said(measured.half, lambda window: window.cost * 1e6, "{:,.1f}"),
            *(_latency(measured.half, figure) for figure in figures),
        )
        for name, measured in results.items()
        if measured.half
    ]
    return table(head, rows)


def bounds(verdicts: Sequence[Verdict]) -> str:
    """A table of the bounds."""
    rows = [
        (
            one.what,
            f"{'≤' if one.most else '≥'} {one.bound:g} {one.unit}",
            "; ".join(f"{_spread(figure, '{:,.2f}')} {how}".strip() for how, figure in one.figures.items()),
            "holds" if one.holds else "too few rounds" if not _sure(one) else "does not hold",
        )
        for one in verdicts
    ]
    return table(("bound", "wanted", "measured", "verdict"), rows)


def _sure(verdict: Verdict) -> bool:
    return all(figure.is_sure for figure in verdict.figures.values())


def _latency(windows: Sequence[Window], figure: str) -> str:
    if getattr(windows[0], figure) is None:
        return "-"
    return _said(windows, lambda window: getattr(window, figure) * 1e3, "{:,.1f}")


def _said(windows: Sequence[Window], figure: Callable[[Window], float], spelling: str) -> str:
    return _spread(interval([figure(window) for window in windows]), spelling)


def _middle(windows: Sequence[Window], figure: Callable[[Window], float], spelling: str) -> str:
    return spelling.format(interval([figure(window) for window in windows]).median)


def _spread(found: Interval, spelling: str) -> str:
    low, high = spelling.format(found.low), spelling.format(found.high)
    return f"{spelling.format(found.median)} ({low} to {high})"
