"""Lines that moved up or down as a whole: a terminal can move them itself."""

from __future__ import annotations

from collections import Counter
from operator import ne

from llm_studio.tui.output.cells import Cell
from llm_studio.tui.output.screen import Screen

_FEWEST = 3
"""So many lines must have moved."""
_BAR = 2
"""Columns at the right that may hold a scrollbar, which does not move with the lines."""
_SCROLLING, _MOVING = 24, 8
"""About how many bytes it takes to scroll, and to go to a row."""


def found(screen: Screen) -> tuple[int, int, int] | None:
    """First row, row after the last, and by how many rows the lines between moved up."""
    if len(screen.changed) < _FEWEST:
        return None
    edge = max(screen.width - _BAR, 1)
    places: dict[str, int | None] = {}
    for y in screen.changed:
        text = _text(screen.shown[y][:edge])
        if text:
            places[text] = None if text in places else y
    votes: Counter[int] = Counter()
    movers: dict[int, list[int]] = {}
    for y in screen.changed:
        place = places.get(_text(screen.wanted[y][:edge]))
        if place is not None and place != y:
            votes[place - y] += 1
            movers.setdefault(place - y, []).append(y)
    if not votes:
        return None
    rows, count = votes.most_common(1)[0]
    if count < _FEWEST:
        return None
    top = min(movers[rows]) + min(rows, 0)
    end = max(movers[rows]) + max(rows, 0) + 1
    return (top, end, rows) if _pays(screen, top, end, rows) else None


def _text(row: list[Cell]) -> str:
    return "" if None in row else "".join(row).strip()  # type: ignore[arg-type]


def _pays(screen: Screen, top: int, end: int, rows: int) -> bool:
    """Whether there is less to write when the lines between are moved."""
    stay, move = 0, _SCROLLING
    for y in range(top, end):
        wanted, from_ = screen.wanted[y], y + rows
        if None in screen.shown[y]:
            return False
        stay += _cost(sum(map(ne, wanted, screen.shown[y])))
        if top <= from_ < end:
            move += _cost(sum(map(ne, wanted, screen.shown[from_])))
        else:
            move += _cost(screen.width - wanted.count(" "))
    return move * 4 < stay * 3


def _cost(cells: int) -> int:
    return cells + _MOVING if cells else 0
