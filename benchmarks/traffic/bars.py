"""What an event costs, as SVG: a bar for each variant."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.chart import STYLE, WIDTH, text
from benchmarks.traffic.intervals import Interval, interval
from benchmarks.traffic.race import Measured

_LEFT, _RIGHT, _TOP, _STEP, _THICK = 300, 640, 52, 30, 16
_BEST = 1.15
"""How much room there is beyond the longest interval."""


def draw(results: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """An SVG document that reads well on a light ground and on a dark one."""
    found = {
        name: interval([1 / window.cost for window in measured.sustained])
        for name, measured in results.items()
        if measured.sustained
    }
    top = max(one.high for one in found.values()) * _BEST
    height = _TOP + _STEP * len(found) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Events for each second of processor time</title>",
        f"<style>{STYLE}</style>",
        text(16, 24, "Events for each second of processor time, with 95 % intervals", style="title"),
    ]
    for row, (name, one) in enumerate(found.items()):
        parts += _bar(_TOP + row * _STEP, titles[name], one, top, ours=titles[name].startswith("router"))
    return "\n".join([*parts, "</svg>", ""])


def _bar(y: float, title: str, one: Interval, top: float, *, ours: bool) -> list[str]:
    def x(value: float) -> float:
        return _LEFT + value / top * (_RIGHT - _LEFT)

    middle = y + _THICK / 2
    return [
        text(_LEFT - 12, middle + 4, title, "end"),
        f'<g class="shape{0 if ours else 1}">',
        f'<rect class="dot" x="{_LEFT}" y="{y}" width="{x(one.median) - _LEFT:.1f}" height="{_THICK}"/>',
        "</g>",
        f'<line class="grid" x1="{x(one.low):.1f}" x2="{x(one.high):.1f}" y1="{middle}" y2="{middle}"/>',
        text(x(one.high) + 8, middle + 4, f"{one.median:,.0f}"),
    ]
