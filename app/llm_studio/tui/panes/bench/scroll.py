"""A text of lines that can be scrolled; it is made anew for each width."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.strip import Strip

from llm_studio.tui.panes.bench.plot import Rows
from llm_studio.tui.widgets.painted import Painted, Part

Draw = Callable[[int, int], Rows]
"""The lines for so many cells, where so many lines are seen at a time."""


class Scroll(Painted, can_focus=True):
    DEFAULT_CSS = "Scroll { height: 1fr; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    def __init__(self, id_: str) -> None:
        super().__init__(id=id_)
        self._draw: Draw = lambda width, height: []
        self._about = ""
        self._lines: Rows = []
        self._drawn_for = Size(0, 0)
        self._top = 0

    def show(self, about: str, draw: Draw) -> None:
        """Other lines; what is about the same stays where it was scrolled to."""
        if about != self._about:
            self._about, self._top = about, 0
        self._draw = draw
        self._make()

    def _make(self) -> None:
        self._drawn_for = self.content_size
        width, height = self.content_size
        lines = self._draw(max(width - 1, 1), height) if width else []
        if lines != self._lines:
            self._lines = lines
            self.refresh()
        self.action_move(0)

    def on_resize(self) -> None:
        self._make()

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        if self.content_size != self._drawn_for:  # drawn before it was told of its new size
            self._make()
        at = y + self._top
        parts: list[Part] = list(self._lines[at]) if at < len(self._lines) else []
        height, count = self.content_size.height, len(self._lines)
        if count > height > 0:
            length = max(height * height // count, 1)
            start = (height - length) * self._top // (count - height)
            used = sum(cell_len(text) for text, _ in parts)
            if start <= y < start + length and used < width:
                parts += [(" " * (width - 1 - used), ""), ("▕", "dim")]
        return self.line(parts, width)

    def action_move(self, step: int) -> None:
        top = max(min(self._top + step, len(self._lines) - self.content_size.height), 0)
        if top != self._top:
            self._top = top
            self.refresh()

    def action_page(self, step: int) -> None:
        self.action_move(step * max(self.content_size.height - 1, 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-3)
