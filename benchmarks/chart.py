"""The growth curve as SVG: how fast the index is with more and more rules."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.growth import SHAPES, SIZES, Point

WIDTH, HEIGHT = 720, 376
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 616, 76, 316

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #59636e }
  .title { font-weight: 600; fill: #1f2328 }
  .grid { stroke: #d1d9e0 }
  .yardstick { stroke: #818b98; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .curve { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linejoin: round }
  .dot { fill: currentColor }
  .shape0 { color: #0969da }
  .shape1 { color: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .grid { stroke: #3d444d }
    .shape0 { color: #4493f8 }
    .shape1 { color: #f0883e }
  }
"""


def draw(points: Sequence[Point]) -> str:
    """An SVG document that reads well on a light ground and on a dark one."""
    top = max(1, math.ceil(max(point.ratio for point in points) * 2) / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Speed of the index by the number of rules</title>",
        f"<style>{STYLE}</style>",
        text(_LEFT, 24, "Speed of the index, as a multiple of that of orjson.loads", style="title"),
        *_grid(top),
    ]
    for number, shape in enumerate(SHAPES):
        parts += _curve(number, shape, [point for point in points if point.shape == shape], top)
    return "\n".join([*parts, "</svg>", ""])


def _x(rules: int) -> float:
    return _LEFT + math.log10(rules) / math.log10(SIZES[-1]) * (_RIGHT - _LEFT)


def _y(ratio: float, top: float) -> float:
    return _BOTTOM - ratio / top * (_BOTTOM - _TOP)


def text(x: float, y: float, said: str, anchor: str = "start", style: str = "plain") -> str:
    """A piece of text."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>'


def _grid(top: float) -> list[str]:
    """Levels with their numbers, `orjson.loads` itself among them, and the numbers of rules."""
    parts = []
    for half in range(int(top * 2) + 1):
        ratio = half / 2
        y = _y(ratio, top)
        style = "yardstick" if ratio == 1 else "grid"
        parts.append(f'<line class="{style}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(_LEFT - 14, y + 4, f"{ratio:.1f}", "end"))
    parts.append(text(_RIGHT + 14, _y(1, top) + 4, "orjson.loads"))
    parts += [text(_x(size), _BOTTOM + 22, f"{size:,}", "middle") for size in SIZES]
    parts.append(text((_LEFT + _RIGHT) / 2, _BOTTOM + 44, "rules", "middle"))
    return parts


def _curve(number: int, shape: str, points: Sequence[Point], top: float) -> list[str]:
    """A shape's curve, and its entry in the legend."""
    places = [(_x(point.rules), _y(point.ratio, top)) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    legend = _LEFT + 6 + 210 * number
    return [
        f'<g class="shape{number}">',
        f'<polyline class="curve" points="{path}"/>',
        *(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in [*places, (legend, 46)]),
        "</g>",
        text(legend + 12, 50, f"each rule tests {shape}"),
    ]
