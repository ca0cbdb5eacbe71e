"""A small App in a process of its own: `python small_app.py [skeleton] [plain] [pace]`."""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

from llm_studio.tui import skeleton

if __name__ == "__main__" and "skeleton" in sys.argv:
    skeleton.paint("dark", os.environ)

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Log, Static

from llm_studio.tui.output.app import TerminalApp


class Small(TerminalApp[None]):
    CSS = "Static { height: 2; } #bars { height: 1; } Log { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("a", "page('A')", ""),
        ("b", "page('B')", ""),
        ("l", "flood", ""),
        ("f", "fail_outside", ""),
        ("ctrl+z", "suspend_process", ""),
        ("q", "quit", ""),
    ]
    plain_output = "plain" in sys.argv

    def compose(self) -> ComposeResult:
        yield Static("PAGE - 漢字", id="page")
        yield Static("─" * 20 + "█" * 20 + "=" * 20, id="bars")
        yield Log()

    def on_mount(self) -> None:
        self.query_one(Log).write_lines(f"line {n}" for n in range(100))

    def action_page(self, name: str) -> None:
        pace = f", slow: {self.pace.slow}" if "pace" in sys.argv else ""
        self.query_one("#page", Static).update(f"PAGE {name} 漢字{pace}")

    def action_flood(self) -> None:
        self.lines = 0
        self.set_interval(1 / 30, self.more)

    def more(self) -> None:
        self.lines += 20
        numbers = range(self.lines, self.lines + 20)
        self.query_one(Log).write_lines(f"{n} {n * 7919} " * 6 for n in numbers)

    def action_fail_outside(self) -> None:
        try:
            with self.suspend():
                print("OUTSIDE", flush=True)
                raise RuntimeError("the editor failed")
        except RuntimeError as error:
            self.query_one("#page", Static).update(f"BACK: {error}")

    def _handle_exception(self, error: Exception) -> None:
        super()._handle_exception(error)


if __name__ == "__main__":
    app: Any = Small()
    app.run()
    sys.exit(app.return_code or 0)
