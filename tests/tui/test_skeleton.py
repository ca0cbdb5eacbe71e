"""The skeleton looks like the frame that takes its place."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from tests.tui.looking import opened
from tests.tui.output.emulator import Terminal
from tests.tui.output.pilot import textuals_screen
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.tui import colours, skeleton
from llm_studio.tui.panes import PANES


def painted(palette: dict[str, str] | None, width: int, height: int, *, erases: bool) -> Terminal:
    terminal = Terminal(width, height)
    pens = skeleton.Pens(palette, true_colour=True)
    terminal.feed(skeleton.drawing(pens, width, height, erases=erases))
    return terminal


def test_it_names_the_panes_as_they_name_themselves() -> None:
    tabs = {pane.id: f"{pane.number} {pane.title}" for pane in PANES}
    assert tabs.items() <= skeleton.TABS.items()


def test_it_comes_before_anything_heavy() -> None:
    script = "import sys, llm_studio.tui.start; print(*sys.modules, sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"textual", "rich", "asyncio", "pydantic", "httpx", "aiohttp"}
    assert not heavy & {name.partition(".")[0] for name in told.stdout.split()}


def test_the_first_pane_needs_nothing_that_edits_pages() -> None:
    script = "import sys, llm_studio.tui.app, llm_studio.tui.panes.models.pane; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = set(told.stdout.split())
    assert "textual.widgets._input" in modules
    assert not modules & {"textual.widgets._text_area", "llm_studio.tui.panes.models.detail"}


@pytest.mark.anyio
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_frame_takes_its_place_without_a_flicker(
    studio: ScriptedStudio, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    async with opened(studio, size=(100, 30), theme=theme) as look:
        shown = painted({"dark": colours.DARK, "light": colours.LIGHT}[theme], 100, 30, erases=True)
        screen = textuals_screen(look.app)
        assert shown.seen()[1] == screen[1]
        assert shown.seen()[0][0] == screen[0][0]
        assert shown.seen()[2][0] == screen[2][0]
        assert shown.seen()[29][99] == screen[29][99]


@pytest.mark.parametrize("palette", [colours.DARK, None])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (30, 5), (12, 3)])
def test_it_fits_and_leaves_no_cell_as_it_was(
    palette: dict[str, str] | None, size: tuple[int, int]
) -> None:
    ways = [painted(palette, *size, erases=erases).seen() for erases in (True, False)]
    assert ways[0] == ways[1]
    assert not any(cell.text == "?" for row in ways[0] for cell in row)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_fewer_colours_are_those_that_textual_takes(rgb: tuple[int, int, int]) -> None:
    assert skeleton._of_256(*rgb) == Color.from_rgb(*rgb).downgrade(ColorSystem.EIGHT_BIT).number
