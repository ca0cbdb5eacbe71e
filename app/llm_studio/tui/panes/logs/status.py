"""The line that says where one is in the log, and what it is narrowed to."""

from __future__ import annotations

from textual.strip import Strip

from llm_studio.tui.figures import counted
from llm_studio.tui.panes.logs.lines import Filter, Found
from llm_studio.tui.panes.logs.view import LogView
from llm_studio.tui.widgets.painted import Painted, Part


class LogStatus(Painted):
    """Where one is in the log."""

    DEFAULT_CSS = "LogStatus { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Part] = []

    def show(self, parts: list[Part]) -> None:
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return self.line([(" ", ""), *self._parts], self.size.width, "mark")


def told_of(view: LogView, filter_: Filter, hits: Found | None, problem: str) -> list[Part]:
    """What the line says."""
    if view.following:
        parts: list[Part] = [("● following", "good")]
    else:
        waiting = counted(view.below, "line") + " below" if view.below else "at the end"
        parts = [(f"▼ {waiting}", "warn"), (" · f follows", "dim")]
    if filter_.level != "all":
        parts.append((f"   level {filter_.level}", "accent"))
    if filter_.source != "all":
        parts.append((f"   {filter_.source}", "accent"))
    if filter_.pattern is not None:
        parts.append((f"   &{filter_.pattern.pattern}", "accent"))
    if hits is not None and view.pattern is not None:
        parts.append((f"   /{view.pattern.pattern} ", "accent"))
        parts.append((_place(view.cursor, hits.numbers), "strong"))
    if view.marked is not None:
        parts.append((f"   {counted(len(view.selected), 'line')} selected", "strong"))
    if problem:
        parts.append((f"   {problem}", "warn"))
    shown = f"{view.count:,} of " if view.found else ""
    held = f"{shown}{counted(len(view.lines), 'line')}"
    if view.lines.whole and view.lines.first > 1:
        held += f", {view.lines.first - 1:,} older are gone"
    return [*parts, ("   ", ""), (held, "dim")]


def _place(cursor: int | None, numbers: list[int]) -> str:
    """Which of the matches one is on."""
    if not numbers:
        return "not found"
    at = f"{numbers.index(cursor) + 1} of " if cursor in numbers else ""
    return f"{at}{len(numbers):,}"
