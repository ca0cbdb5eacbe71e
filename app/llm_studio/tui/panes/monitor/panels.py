"""Which graphs there are for what a machine has, and how their figures are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_studio.tui.figures import gib
from llm_studio.tui.panes.monitor.curves import Curves, clock, value_of, window_name
from llm_studio.tui.widgets.graph import ROLES, Line, drawn, joined, round_up
from llm_studio.tui.widgets.painted import Part, Role

GiB = 1 << 30
MARK_ROLES: dict[str, Role] = {"error": "bad", "warning": "warn"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: its series with their labels, and what the top of it stands for."""

    title: str
    series: tuple[tuple[str, str], ...]
    """A label and a series each."""
    told: Callable[[float], str]
    top: float = 0.0
    """0: the most that is seen."""


def panels_for(sample: Mapping[str, Any] | None) -> list[Panel]:
    """In the order in which they are worth the room."""
    gpus: Sequence[Mapping[str, Any]] = sample["gpus"] if sample else ()

    def each(field: str) -> tuple[tuple[str, str], ...]:
        return tuple((f"GPU {gpu['index']}", f"{gpu['id']}.{field}") for gpu in gpus)

    found = []
    if gpus:
        most = max((gpu["memory_total"] or 0 for gpu in gpus), default=0)
        found.append(Panel("GPU memory", each("memory_used"), lambda v: f"{gib(v)} GiB", most))
        found.append(Panel("GPU use", each("utilisation"), percent, 100))
    found.append(Panel("Tokens per second", (("generated", "engine.speed"),), speed))
    if gpus:
        found.append(Panel("Temperature", each("temperature"), lambda v: f"{v:.0f} °C", 100))
        found.append(Panel("Power", each("power"), lambda v: f"{v:.0f} W"))
    # Apart from those generated, which are few beside them and would all lie on the floor.
    found.append(Panel("Prompt tokens per second", (("read", "engine.prompt_speed"),), speed))
    found.append(Panel("Processor", (("cpu", "host.cpu"),), percent, 100))
    host = (("in use", "host.memory_used"),)
    total = (sample["host"]["memory_total"] or 0) if sample else 0
    found.append(Panel("Host memory", host, lambda v: f"{gib(v)} GiB", total))
    return found


def speed(value: float) -> str:
    return f"{value:.1f} tok/s"


def percent(value: float) -> str:
    return f"{value:.0f} %"


def names_of(panels: Sequence[Panel]) -> list[str]:
    return [name for panel in panels for _, name in panel.series]


def rows_of(
    panel: Panel,
    curves: Curves,
    width: int,
    height: int,
    *,
    end: float,
    cursor: float | None,
    sample: Mapping[str, Any] | None,
) -> list[list[Part]]:
    """A title with the figures, the graph, and the axis of time with its marks.

    `cursor` is where in the window is read, from 0 to 1; None is its end. `sample` holds the
    figures of now, where that is what is shown.
    """
    lines = [
        Line(label, curves.columns(name, 2 * width, end), ROLES[i % len(ROLES)])
        for i, (label, name) in enumerate(panel.series)
    ]
    seen = [span[1] for line in lines for span in line.spans if span is not None]
    top = panel.top or round_up(max(seen, default=0))
    column = None if cursor is None else min(int(cursor * width), width - 1)
    moment = end if cursor is None else end - curves.window * (1 - (column or 0) / width)
    graph = drawn(lines, width, max(height - 2, 1), top, column)
    title: list[Part] = [(panel.title, "strong")]
    if cursor is not None:
        title.append((f" at {clock(moment)}", "accent"))
    long: list[Part] = []
    short: list[Part] = []  # of many GPUs, without units
    for line, (_, name) in zip(lines, panel.series, strict=True):
        value = value_of(sample, name) if sample else None
        if sample is None and (span := curves.at(name, moment)):
            value = span[1]
        told = "n/a" if value is None else panel.told(value)
        label = f"{line.label} " if len(lines) > 1 else ""
        role = "dim" if value is None else line.role
        long += [("  ", ""), (f"{label}{told}", role)]
        short += [("  ", ""), (f"{label.removeprefix('GPU ')}{told.partition(' ')[0]}", role)]
    whole = sum(len(text) for text, _ in [*title, *long])
    title += long if whole <= width else short
    return [_ended(title, f"{panel.told(top)} ", width), *graph, _axis(curves, width, end, column)]


def _ended(parts: list[Part], right: str, width: int) -> list[Part]:
    """Some parts, and a word at the right edge if there is room."""
    used = sum(len(text) for text, _ in parts)
    if used + len(right) + 2 > width:
        return parts
    return [*parts, (" " * (width - used - len(right)), ""), (right, "dim")]


def _axis(curves: Curves, width: int, end: float, column: int | None) -> list[Part]:
    """The time, with what happened in it. A mark is never covered: words make room for it."""
    cells: list[Part] = [("─", "dim")] * width
    for mark in curves.marks:
        at = int((mark.time - (end - curves.window)) / curves.window * width)
        if 0 <= at < width and cells[at][1] != "bad":
            cells[at] = ("▲", MARK_ROLES.get(mark.level, "accent"))
    if column is not None and cells[column][0] == "─":
        cells[column] = ("┼", "dim")
    free = [cell[0] == "─" for cell in cells]
    ago = f"{window_name(curves.window)} ago "
    for word, places in ((" now", range(width - 4, width // 2, -1)), (ago, range(width // 2))):
        begin = next((at for at in places if all(free[at : at + len(word)])), None)
        if begin is not None and len(ago) + 4 < width:
            cells[begin : begin + len(word)] = [(letter, "dim") for letter in word]
    return joined(cells)
