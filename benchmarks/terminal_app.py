"""What the terminal benchmark draws: `python -m benchmarks.terminal_app PANE [plain]`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.coordinate import Coordinate
from textual.widgets import ContentSwitcher, DataTable, Footer, Log, Static

from llm_studio.tui.output.app import TerminalApp

LINES_A_SECOND = 5000
REDRAWS_A_SECOND = 20


class Drawn(TerminalApp[None]):
    """Two GPUs once a second, a table, a log that never ends."""

    CSS = "Static { height: 6; } Log { height: 1fr; } #models DataTable { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("1", "show('models')", "Models"),
        ("2", "show('monitor')", "Monitor"),
        ("3", "show('logs')", "Logs"),
        ("q", "quit", "Leave"),
    ]
    plain_output = "plain" in sys.argv

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial=sys.argv[1]):
            with Vertical(id="models"):
                yield DataTable()
            with Vertical(id="monitor"):
                yield Static(id="gpu0")
                yield Static(id="gpu1")
                yield DataTable(id="slots")
            with Vertical(id="logs"):
                yield Log(max_lines=5000)
        yield Footer()

    def on_mount(self) -> None:
        self.second = self.line = 0
        table: DataTable[str] = self.query_one("#models DataTable", DataTable)
        table.add_columns("Profile", "Parameters", "Size", "Context", "State")
        for n in range(60):
            table.add_row(f"profile-{n}", f"{n}B", f"{n * 0.6:.1f} GiB", "131072", "available")
        slots: DataTable[str] = self.query_one("#slots", DataTable)
        slots.add_columns("Slot", "Tokens", "Speed")
        for n in range(4):
            slots.add_row(str(n), "0", "0")
        self.set_interval(1.0, self.tick)
        if sys.argv[1] == "logs":
            self.set_interval(1 / REDRAWS_A_SECOND, self.more)
        self.tick()

    def action_show(self, pane: str) -> None:
        self.query_one(ContentSwitcher).current = pane

    def tick(self) -> None:
        self.second += 1
        wave: Callable[[int], float] = lambda n: 50 + 40 * math.sin(n / 7)  # noqa: E731
        for gpu in range(2):
            used, watts = wave(self.second + gpu), 200 + wave(self.second * 3)
            told = f"GPU {gpu}  {used:5.1f} % used  {watts:5.0f} W  {60 + self.second % 9} °C"
            past = [wave(self.second + gpu - n) for n in range(100, 0, -1)]
            self.query_one(f"#gpu{gpu}", Static).update(f"{told}\n{graph(past)}")
        slots: DataTable[str] = self.query_one("#slots", DataTable)
        for n in range(4):
            slots.update_cell_at(Coordinate(n, 1), str(self.second * (17 + n)))
            slots.update_cell_at(Coordinate(n, 2), f"{40 + wave(self.second + n) / 10:.1f}")

    def more(self) -> None:
        count = LINES_A_SECOND // REDRAWS_A_SECOND
        self.line += count
        lines = range(self.line - count, self.line)
        self.query_one(Log).write_lines(
            f"{n:>8} slot update: id {n % 4} | task {n * 31 % 997} | n_past = {n * 7919 % 8192}"
            for n in lines
        )


def graph(values: list[float], rows: int = 4) -> str:
    """Columns of blocks, one for each value from 0 to 100."""
    heights = [round(value / 100 * rows * 8) for value in values]
    blocks = " ▁▂▃▄▅▆▇█"
    return "\n".join(
        "".join(blocks[max(0, min(8, height - 8 * row))] for height in heights)
        for row in range(rows - 1, -1, -1)
    )


if __name__ == "__main__":
    Drawn().run()
