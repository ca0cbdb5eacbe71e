"""The UI opened on a studio, and what is on its screen."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from difflib import unified_diff
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from tests.tui.scripted_studio import ScriptedStudio
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from llm_studio.settings import load_settings
from llm_studio.tui.app import StudioApp
from llm_studio.tui.colours import DARK
from llm_studio.tui.wire import Wire

LOOKS = "=== how it looks"
SNAPSHOTS = Path(__file__).parent / "snapshots"
_THUMB_END = re.compile("[▁▂▃▄▅▆▇]")


class Look:
    """One terminal: presses keys, and reads the screen."""

    def __init__(self, app: StudioApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        names = {" ": "space", "#": "number_sign", "/": "slash", ".": "full_stop"}
        await self.press(*(names.get(letter, letter) for letter in text))

    def fill(self, text: str) -> None:
        """As if it had been typed at once."""
        assert isinstance(self.app.focused, Input)
        self.app.focused.value = text

    @property
    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def until(self, what: str | Callable[[], Any], limit: float = 10) -> None:
        """Until the screen shows a text, or something holds."""
        end = time.monotonic() + limit
        while not (what in self.text if isinstance(what, str) else what()):
            if time.monotonic() >= end:
                seen = f"with the focus on {self.app.focused!r}:\n{self.text}"
                raise AssertionError(f"{what!r} did not come about, {seen}")
            await self.pilot.pause(0.01)

    async def same_as_before(self, name: str) -> None:
        """The screen is, or soon becomes, the one that was looked at and kept."""
        size = self.app.size
        path = SNAPSHOTS / f"{name}-{size.width}x{size.height}.txt"
        if os.environ.get("UPDATE_SNAPSHOTS"):
            await self.pilot.pause(0.5)
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(self._lasting) + "\n")
        assert path.exists(), f"{path} is missing: UPDATE_SNAPSHOTS=1 writes it"
        kept, end = path.read_text().splitlines(), time.monotonic() + 3
        while self._lasting != kept and time.monotonic() < end:
            await self.pilot.pause(0.01)
        told = "\n".join(unified_diff(kept, self._lasting, lineterm=""))
        assert not told, f"look at it, then UPDATE_SNAPSHOTS=1 keeps it:\n{told}"

    @property
    def _lasting(self) -> list[str]:
        """The screen, then how each cell looks, without what is no matter of it: spans of time, how
        many panes exist, and scroll bars, which move with the length of what is not seen."""
        lines = [_settled(line) for line in self.lines]
        lines[1] = ""
        looks = [
            looks_of(strip) if line and "for N s" not in line else ""
            for line, strip in zip(lines, self.app.screen._compositor.render_strips(), strict=True)
        ]
        return [*lines, LOOKS, *looks]


def looks_of(strip: Strip) -> str:
    """A letter for each cell: its role, large where it lies on a cursor or a match; a dot for plain
    text, a hash for what no role looks like."""
    letters = []
    for segment in strip:
        style = segment.style or Style.null()
        letter = _LETTERS.get(_called(style.color, "text"), "#")
        if letter == "." and style.bold:
            letter = "s"
        if letter == "-" or _THUMB_END.search(segment.text):  # a rule, or a scroll bar
            letter = " "
        elif style.reverse or _called(style.bgcolor, "background") in ("cursor", "warn"):
            letter = "C" if letter == "." else letter.upper()
        elif segment.text.isspace():
            letter = " "
        letters.append(letter * cell_len(segment.text))
    return "".join(letters).rstrip()


_LETTERS = {
    "text": ".", "dim": "d", "accent": "a", "good": "g", "warn": "w", "bad": "b", "line": "-",
    "background": "c",
}  # fmt: skip


def _called(colour: Color | None, default: str) -> str:
    """The palette's name of a colour; the theme makes some of them another shade by one."""
    if colour is None or colour.triplet is None:
        return default
    for name, value in DARK.items():
        theirs = Color.parse(value).triplet
        assert theirs is not None
        if all(abs(a - b) < 2 for a, b in zip(theirs, colour.triplet, strict=True)):
            return name
    return ""


def _settled(line: str) -> str:
    return _THUMB_END.sub(" ", re.sub(r"for \d+ s", "for N s", line)).rstrip()


def _never() -> None:
    raise AssertionError("no studio is to be started here")


@asynccontextmanager
async def opened(
    studio: ScriptedStudio,
    *,
    size: tuple[int, int] = (100, 30),
    theme: str = "dark",
    start: Callable[[], None] = _never,
    ready: bool = True,
) -> AsyncIterator[Look]:
    """The UI in a terminal of this size, once it shows what the studio tells."""
    app = StudioApp(load_settings(), theme=theme, wire=Wire(studio.path), start=start)
    async with app.run_test(size=size, notifications=True) as pilot:
        look = Look(app, pilot)
        if ready:
            await look.until(lambda: app.view.profiles is not None and app.view.live)
            await pilot.pause()
        yield look
