"""Plots in cells: lines with the spread of their values, each series with a sign of its own, so
that they can be told apart without colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len

from llm_studio.tui.widgets.graph import ROLES, Line, Span, drawn, round_up
from llm_studio.tui.widgets.painted import Part, Role, cut

SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
AROUND = 3
"""Rows beside the graph itself: its title, and the two of the axis."""
HEADROOM = 1.5
"""How far the axis reaches beyond the highest median at most."""
Rows = list[list[Part]]


@dataclass(frozen=True, slots=True)
class Series:
    """Places across, and at each its lowest, middle and highest value."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    sign: str = "●"


def doubling(place: float) -> float:
    """Lengths and users are doubled from step to step, so equal steps stand for that."""
    return math.log2(max(place, 1))


def deepening(place: float) -> float:
    """The same for depths of a context, which begin with nothing."""
    return math.log2(place / 1024 + 1)


def sign(at: int, count: int) -> str:
    """That of one of several runs; a single one needs no name."""
    return SIGNS[at % len(SIGNS)] if count > 1 else "●"


def even(place: float) -> float:
    return place


def plotted(
    title: str, series: Sequence[Series], width: int, height: int, *,
    scale: Callable[[float], float] = doubling, top: float = 0.0, legend: bool = False,
    written: Callable[[float], str] = lambda value: f"{value:g}",
) -> Rows:  # fmt: skip
    """So many rows; none where nothing was measured or there is no room."""
    places = sorted({point[0] for each in series for point in each.points})
    if not places or height <= AROUND:
        return []
    top = top or _top_of([point for each in series for point in each.points])
    labels = [written(top), written(0)]
    margin = max(map(cell_len, labels)) + 1
    room = max(width - margin - 1, 4)
    low = 0.0 if scale is even else scale(places[0])
    high = scale(places[-1]) * (1.1 if scale is even else 1)

    def dot(place: float) -> int:
        part = (scale(place) - low) / (high - low) if high > low else 0.5
        return round(part * (2 * room - 1))

    roles = [ROLES[at % 5] for at in range(len(series))]
    lines = [
        Line(each.label, _spans(each, dot, 2 * room), role)
        for each, role in zip(series, roles, strict=True)
    ]
    inner = height - AROUND
    rows = drawn(lines, room, inner, top)
    for at, each in enumerate(series):
        for place, _, middle, _ in each.points:
            row = inner - 1 - round(min(max(middle / top, 0), 1) * (4 * inner - 1)) // 4
            rows[row] = _with(rows[row], dot(place) // 2, each.sign, roles[at])
    named: list[Part] = []
    for each, role in zip(series, roles, strict=True) if legend else ():
        named += [("  ", ""), (f"{each.sign} {each.label}", role)]
    if sum(cell_len(text) for text, _ in named) + len(title) > width:
        named = []
    head: list[Part] = [(cut(title, width), "strong"), *named]
    body: Rows = []
    for at, drawn_row in enumerate(rows):
        label = labels[0] if at == 0 else labels[1] if at == inner - 1 else ""
        body.append([(f"{label:>{margin - 1}}", "dim"), ("│", "dim"), *drawn_row])
    ticks = [0.0, high] if scale is even else places
    axis = _ticks([(dot(each) // 2, f"{each:,.0f}") for each in ticks], room)
    foot: list[Part] = [(" " * (margin - 1) + "└" + "─" * room, "dim")]
    return [head, *body, foot, [(" " * margin + axis, "dim")]]


def _top_of(points: Sequence[tuple[float, float, float, float]]) -> float:
    """One value that lies far off does not press all others flat: its line is cut at the top."""
    return round_up(min(max(most for *_, most in points), HEADROOM * max(p[2] for p in points)))


def _spans(series: Series, dot: Callable[[float], int], count: int) -> list[Span]:
    """A value for each column of dots: measured ones with their spread, straight lines between."""
    spans: list[Span] = [None] * count
    ordered = sorted(series.points)
    for (one, _, first, _), (two, _, second, _) in pairwise(ordered):
        begin, end = dot(one), dot(two)
        for at in range(begin + 1, end):
            value = first + (second - first) * (at - begin) / (end - begin)
            spans[at] = (value, value)
    for place, least, _, most in ordered:
        spans[dot(place)] = (least, most)
    return spans


def _with(row: list[Part], column: int, sign: str, role: Role) -> list[Part]:
    """A row with one cell replaced."""
    parts: list[Part] = []
    at = 0
    for text, own in row:
        inside = column - at
        if 0 <= inside < len(text):
            parts += [(text[:inside], own), (sign, role), (text[inside + 1 :], own)]
        else:
            parts.append((text, own))
        at += len(text)
    return [part for part in parts if part[0]]


def _ticks(ticks: Sequence[tuple[int, str]], room: int) -> str:
    """The places below the axis, as many as have room."""
    text, taken = [" "] * room, -1
    for column, label in ticks:
        begin = min(max(column - len(label) // 2, 0), room - len(label))
        if begin > taken and begin >= 0:
            text[begin : begin + len(label)] = label
            taken = begin + len(label)
    return "".join(text)
