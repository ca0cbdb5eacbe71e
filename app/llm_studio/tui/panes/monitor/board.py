"""Where everything stands on the screen: what tells most goes first, and gets the room it needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len
from textual.strip import Strip

from llm_studio.tui.panes.monitor.curves import Curves, clock
from llm_studio.tui.panes.monitor.gauges import (
    alert_lines,
    beside_line,
    engine_lines,
    gpu_lines,
    host_line,
)
from llm_studio.tui.panes.monitor.panels import MARK_ROLES, panels_for, rows_of
from llm_studio.tui.panes.monitor.tables import process_rows, request_rows
from llm_studio.tui.widgets.painted import Painted, Part

WIDE, VAST, FEW = 110, 190, 4
"""Columns from which on two graphs stand side by side: of few GPUs, of many, and what few are."""
GRAPH = 6
"""Rows that a graph needs at least, with its title and its axis."""
TABLE = 3
"""Rows of the table below, at least."""
GAP = 3


@dataclass(slots=True)
class Shown:
    """What the board shows."""

    sample: Mapping[str, Any] | None = None
    curves: Curves = field(default_factory=Curves)
    requests: Sequence[Mapping[str, Any]] = ()
    first: int = 0
    """The graph that stands first."""
    end: float = 0.0
    """The newest moment that is shown; it stands still while paused."""
    cursor: float | None = None
    """Where in the window is read, from 0 to 1."""
    paused: bool = False
    processes: bool = False

    @property
    def held(self) -> bool:
        """Whether the curves stand still: somebody paused them, or reads them at a moment."""
        return self.paused or self.cursor is not None


class Board(Painted):
    DEFAULT_CSS = "Board { height: 1fr; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[Part]] = []

    def show(self, shown: Shown) -> None:
        size = self.content_size
        self._rows = board(shown, size.width, size.height)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row = self._rows[y] if y < len(self._rows) else []
        return self.line(row, self.size.width)


def board(shown: Shown, width: int, height: int) -> list[list[Part]]:
    """All rows, no more than there is room for."""
    if shown.sample is None:
        return [[("  waiting for the first reading", "dim")]]
    top = _now(shown.sample, width, height)
    left = height - len(top) - 1
    if left < GRAPH:
        return top[:height]
    gpus = shown.sample["gpus"]
    table = process_rows(gpus, width) if shown.processes else request_rows(shown.requests, width)
    table_height = max(min(left // 3, len(table)), TABLE - 1) if left > GRAPH + TABLE else 0
    graphs = _graphs(shown, width, left - table_height - (1 if table_height else 0))
    rows = [*top, [], *graphs]
    if table_height:
        rows += [[], *table[:table_height]]
    return rows[:height]


def _now(sample: Mapping[str, Any], width: int, height: int) -> list[list[Part]]:
    gpus = sample["gpus"]
    roomy = 2 * len(gpus) + 4 + GRAPH + TABLE <= height
    rows = [line for gpu in gpus for line in gpu_lines(gpu, width, roomy=roomy)]
    rows += alert_lines(sample["alerts"], width)
    rows += [[(note, "warn")] for note in sample["notes"]]
    rows += engine_lines(sample["engine"], width)
    rows += [beside_line(each, width) for each in sample["beside"]]
    return [*rows, host_line(sample["host"], width)]


def _graphs(shown: Shown, width: int, height: int) -> list[list[Part]]:
    """As many as there is room for; while one reads them, what happened nearest to the cursor."""
    mark = None
    if shown.cursor is not None:
        window = shown.curves.window
        mark = shown.curves.mark_near(shown.end - window * (1 - shown.cursor), shown.end)
    if mark is not None:
        height -= 1
    panels = panels_for(shown.sample)
    panels = [*panels[shown.first % len(panels) :], *panels[: shown.first % len(panels)]]
    # The figures of many GPUs need a whole line above their curves.
    few = len(shown.sample["gpus"]) <= FEW if shown.sample else True
    abreast = 2 if width >= (WIDE if few else VAST) else 1
    stacked = max(min(height // (GRAPH + 5), -(-len(panels) // abreast)), 1)
    each_height = (height - (stacked - 1)) // stacked
    rows: list[list[Part]] = []
    for level in range(stacked):
        row = panels[level * abreast : (level + 1) * abreast]
        each_width = (width - GAP * (len(row) - 1)) // len(row)
        drawn = [
            rows_of(
                panel,
                shown.curves,
                each_width,
                each_height,
                end=shown.end,
                cursor=shown.cursor,
                sample=None if shown.held else shown.sample,
            )
            for panel in row
        ]
        rows += [[]] if level else []
        for parts in zip(*drawn, strict=True):
            rows.append(_abreast(parts, each_width))
    if mark is not None:
        role = MARK_ROLES.get(mark.level, "accent")
        rows.append([(f"▲ {clock(mark.time)}  ", role), (mark.text, "")])
    if shown.paused:
        rows[0] = [(f"paused at {clock(shown.end)}  ", "warn"), *rows[0]]
    return rows


def _abreast(cells: Sequence[Sequence[Part]], width: int) -> list[Part]:
    """Rows side by side."""
    whole: list[Part] = []
    for index, parts in enumerate(cells):
        if index:
            whole.append((" " * GAP, ""))
        whole += parts
        used = sum(cell_len(text) for text, _ in parts)
        if index < len(cells) - 1:
            whole.append((" " * max(width - used, 0), ""))
    return whole


def now() -> float:
    return time.time()
