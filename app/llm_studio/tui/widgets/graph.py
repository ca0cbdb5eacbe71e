"""Curves in dots: each cell of the terminal holds two columns and four rows of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llm_studio.tui.widgets.painted import Part, Role

Span = tuple[float, float] | None
"""The least and the most of a column; None where nothing was measured."""
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a cell's dots: by column, from the top."""
ROLES: tuple[Role, ...] = ("accent", "warn", "good", "bad", "strong", "dim", "", "mark")
"""Of the first curve, the second …"""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a span for each column of dots, from the oldest to the newest."""

    label: str
    spans: Sequence[Span]
    role: Role


def drawn(
    lines: Sequence[Line], width: int, height: int, top: float, cursor: int | None = None
) -> list[list[Part]]:
    """The rows of a graph from 0 to `top`. A later curve lies over an earlier one; a spike is
    drawn from its least to its most. `cursor` is a cell's column."""
    bits = [[0] * width for _ in range(height)]
    roles: list[list[Role]] = [[""] * width for _ in range(height)]
    for line in lines:
        before: tuple[int, int] | None = None
        for column in range(min(2 * width, len(line.spans))):
            span = line.spans[column]
            if span is None:
                before = None
                continue
            dots = low, high = _dot(span[0], top, height), _dot(span[1], top, height)
            if before is not None:  # a curve has no holes where it climbs or falls
                low, high = min(low, before[1] + 1), max(high, before[0] - 1)
            for dot in range(low, high + 1):
                row, bit = height - 1 - dot // 4, 3 - dot % 4
                bits[row][column // 2] |= _DOTS[column % 2][bit]
                roles[row][column // 2] = line.role
            before = dots
    return [_row(bits[row], roles[row], cursor) for row in range(height)]


def _dot(value: float, top: float, height: int) -> int:
    return round(min(max(value / top, 0.0), 1.0) * (4 * height - 1)) if top > 0 else 0


def _row(bits: Sequence[int], roles: Sequence[Role], cursor: int | None) -> list[Part]:
    cells: list[Part] = []
    for column, (dots, role) in enumerate(zip(bits, roles, strict=True)):
        text = chr(0x2800 + dots) if dots else " "
        if column == cursor:
            text, role = (text, role) if dots else ("│", "dim")
        cells.append((text, role))
    return joined(cells)


def joined(cells: Iterable[Part]) -> list[Part]:
    """Neighbours of one role become one part."""
    parts: list[Part] = []
    for text, role in cells:
        if parts and parts[-1][1] == role:
            parts[-1] = (parts[-1][0] + text, role)
        else:
            parts.append((text, role))
    return parts


def round_up(value: float) -> float:
    """The next figure that people like to read on an axis."""
    if value <= 0:
        return 1.0
    scale = 1.0
    while scale * 10 <= value:
        scale *= 10
    while scale > value:
        scale /= 10
    return next(scale * step for step in (1, 2, 2.5, 5, 10) if scale * step >= value)
