"""The second line: the panes by number."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip

from llm_studio.tui.panes.spec import PaneSpec
from llm_studio.tui.widgets.painted import Part, Terse


class Tabs(Terse):
    DEFAULT_CSS = "Tabs { height: 1; }"

    @dataclass
    class Clicked(Message):
        id: str

    def __init__(self, panes: tuple[PaneSpec, ...]) -> None:
        super().__init__()
        self._panes = panes
        self.active = ""

    def choose(self, id_: str) -> None:
        self.active = id_
        self.refresh()

    def _labels(self) -> list[tuple[str, str]]:
        return [(f" {pane.number} {pane.title} ", pane.id) for pane in self._panes]

    def render_line(self, y: int) -> Strip:
        parts: list[Part] = []
        for label, id_ in self._labels():
            parts += [(label, "accent" if id_ == self.active else "dim"), (" ", "")]
        return self.line(parts, self.size.width)

    def on_click(self, event: events.Click) -> None:
        x = 0
        for label, id_ in self._labels():
            x += cell_len(label) + 1
            if event.x < x:
                self.post_message(self.Clicked(id_))
                return
