"""Small plots as SVG: lines with the spread of their values, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 300, 64, 44, 30
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True, slots=True)
class Line:
    """One series: places, and at each its lowest, middle and highest value."""

    label: str
    points: Sequence[tuple[float, float, float, float]]


def plot(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """The places across are doubled from step to step, as lengths and users are."""
    places = sorted({point[0] for line in lines for point in line.points})
    if not places:
        return ""
    top = max(point[3] for line in lines for point in line.points) * 1.08 or 1.0
    low, high = math.log2(places[0] + 1), math.log2(places[-1] + 1)

    def x(place: float) -> float:
        part = (math.log2(place + 1) - low) / (high - low) if high > low else 0.5
        return LEFT + part * (WIDTH - LEFT - 20)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        parts.append(
            f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - 20}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        )
    for place in places:
        parts.append(
            f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{place:g}</text>"
        )
    parts.append(
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})" '
        f'text-anchor="middle">{escape(up)}</text>'
    )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        ordered = sorted(line.points)
        path = " ".join(f"{x(p[0]):.1f},{y(p[2]):.1f}" for p in ordered)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for place, lowest, middle, highest in ordered:
            parts.append(
                f'<path d="M{x(place):.1f} {y(lowest):.1f}V{y(highest):.1f}" stroke="{colour}"/>'
                f'<circle cx="{x(place):.1f}" cy="{y(middle):.1f}" r="3" fill="{colour}"/>'
            )
        parts.append(
            f'<text x="{WIDTH - 24}" y="{TOP + 14 * number}" text-anchor="end" fill="{colour}">'
            f"{escape(line.label)}</text>"
        )
    return "\n".join([*parts, "</svg>"])
