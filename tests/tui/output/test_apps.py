"""Real Textual apps through the layer: what the terminal shows is what Textual shows."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import pytest
from tests.tui.output.emulator import Terminal
from tests.tui.output.pilot import emulated, same, until
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Log, Static, TabbedContent, TabPane

from llm_studio.tui.output.app import TerminalApp

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Question(ModalScreen[None]):
    CSS = "Question { align: center middle; background: $background 60%; } Static { width: 20; }"

    def compose(self) -> ComposeResult:
        yield Static("Really? 本当に? 👩\u200d🚀")


class Workbench(TerminalApp[None]):
    """A bit of everything that the UI is made of."""

    CSS = "#side { dock: right; width: 20; border: round $accent; } Log { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "show('table')", "Table"),
        Binding("f2", "show('text')", "Text"),
        Binding("f3", "show('log')", "Log"),
        Binding("f4", "ask", "Ask"),
    ]

    def compose(self) -> ComposeResult:
        yield Static("漢字 and emoji 👍🏽 ❤\ufe0f 🇩🇪 to the right", id="side")
        with TabbedContent():
            with TabPane("Table", id="table"):
                yield DataTable()
            with TabPane("Text", id="text"), VerticalScroll():
                yield Input("typed 漢字")
                link = "[link='https://example.org/x']a link[/link] and [b]bold[/b] e\u0301"
                yield Static("\n".join(f"{n} {link}" for n in range(40)))
            with TabPane("Log", id="log"):
                yield Log()
        yield Footer()

    def on_mount(self) -> None:
        table: DataTable[str] = self.query_one(DataTable)
        table.add_columns("name", "状態", "size")
        for n in range(30):
            table.add_row(f"model-{n}", "準備", str(n * 7))

    def action_show(self, pane: str) -> None:
        self.query_one(TabbedContent).active = pane

    def action_ask(self) -> None:
        self.push_screen(Question())


def workbench(width: int, height: int) -> tuple[Workbench, Terminal]:
    terminal, app = Terminal(width, height), Workbench()
    emulated(app, terminal)
    return app, terminal


@pytest.mark.parametrize(("width", "height"), [(80, 24), (33, 9)])
async def test_tabs_tables_text_and_questions(width: int, height: int) -> None:
    app, terminal = workbench(width, height)
    async with app.run_test(size=(width, height)) as pilot:
        assert await same(pilot, terminal)
        for key in ("down", "f2", "pagedown", "tab", "漢", "f4", "f1", "end"):
            await pilot.press(key)
            assert await same(pilot, terminal), key
            if key == "f4":
                app.pop_screen()


async def test_cells_that_change_and_lines_that_arrive() -> None:
    app, terminal = workbench(100, 30)
    async with app.run_test(size=(100, 30)) as pilot:
        table = app.query_one(DataTable)
        for n in range(4):
            table.update_cell_at(Coordinate(n, 2), str(n * 1000))
            assert await same(pilot, terminal)
        await pilot.press("f3")
        log = app.query_one(Log)
        for n in range(5):
            log.write_lines([f"{n} line {each} 漢字 " + "=" * each for each in range(n * 5)])
            assert await same(pilot, terminal)


def has_size(app: Workbench, width: int, height: int) -> bool:
    return app.size == (width, height)


async def test_resizes_and_themes() -> None:
    app, terminal = workbench(100, 30)
    async with app.run_test(size=(100, 30)) as pilot:
        for width, height in ((60, 20), (110, 35), (33, 9)):
            terminal.resize(width, height)
            await pilot.resize_terminal(width, height)
            assert await until(pilot, partial(has_size, app, width, height))
            assert await same(pilot, terminal)
        for theme in ("textual-light", "ansi-dark"):
            app.theme = theme
            assert await same(pilot, terminal)


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TERM": "xterm-256color", "COLORTERM": ""},
        {"TERM": "xterm", "COLORTERM": ""},
        {"TERM": "xterm-256color", "NO_COLOR": "1"},
        {"TERM": "dumb"},
    ],
)
async def test_fewer_colours_are_chosen_as_textual_chooses_them(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        assert await same(pilot, terminal)
        await pilot.press("f2", "down")
        assert await same(pilot, terminal)


async def test_a_busy_terminal_gets_the_last_frame_only() -> None:
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        assert await same(pilot, terminal)
        wire = app._driver.wire  # type: ignore[union-attr]
        wire.taking = False
        frames = len(wire.frames)
        for key in ("f2", "f3", "f1", "down"):
            await pilot.press(key)
        await pilot.pause()
        assert len(wire.frames) == frames
        wire.taking = True
        app._driver.painter.flush()  # type: ignore[union-attr]
        assert len(wire.frames) == frames + 1
        assert await same(pilot, terminal)


async def test_an_unchanged_screen_costs_nothing() -> None:
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        drawn, received = [], []
        app.post_display_hook = lambda: drawn.append(True)  # type: ignore[method-assign]
        for _ in range(5):  # the first rounds may still see widgets come to rest
            app.screen.refresh()
            drawn.clear()
            assert await until(pilot, lambda: bool(drawn))
            assert await same(pilot, terminal)
            received.append(terminal.received)
        assert received[-1] == received[-2]


async def test_bells_titles_and_the_clipboard_pass_in_order() -> None:
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        assert await same(pilot, terminal)
        terminal.other.clear()
        app.bell()
        app.copy_to_clipboard("x")
        app.bell()
        assert terminal.other == ["\x07", "\x1b]52;c;eA==\x07", "\x07"]
        await pilot.press("f2")
        assert await same(pilot, terminal)


async def test_after_something_unknown_was_written_all_that_is_drawn_is_sent() -> None:
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        assert await same(pilot, terminal)
        app._driver.write("\x1b[3;3Hgraffiti")  # type: ignore[union-attr]
        app.refresh()
        app.screen.refresh()
        assert await same(pilot, terminal)


async def test_a_fault_of_the_layer_leaves_textuals_own_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, terminal = workbench(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        assert await same(pilot, terminal)
        driver: Any = app._driver

        def fail(*_: object) -> None:
            raise ValueError("a fault")

        monkeypatch.setattr(driver.painter, "_frame", fail)
        monkeypatch.setattr(driver, "write", terminal.feed)
        await pilot.press("f2")
        assert await until(pilot, lambda: "a link" in "".join(terminal.lines()))
        assert driver.plain
        assert app.is_running
