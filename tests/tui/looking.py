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

from tests.tui.scripted_studio import ScriptedStudio
from textual.pilot import Pilot
from textual.widgets import Input

from llm_studio.settings import load_settings
from llm_studio.tui.app import StudioApp
from llm_studio.tui.wire import Wire

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
            seen = f"with the focus on {self.app.focused!r}:\n{self.text}"
            assert time.monotonic() < end, f"{what!r} did not come about, {seen}"
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
        kept, end = [_settled(each) for each in path.read_text().splitlines()], time.monotonic() + 3
        while self._lasting != kept and time.monotonic() < end:
            await self.pilot.pause(0.01)
        told = "\n".join(unified_diff(kept, self._lasting, lineterm=""))
        assert not told, f"look at it, then UPDATE_SNAPSHOTS=1 keeps it:\n{told}"

    @property
    def _lasting(self) -> list[str]:
        """The screen without what is no matter of it: spans of time, how many panes exist, and the
        end of a scroll bar's thumb, which moves with the length of what is not seen."""
        lines = self.lines
        lines[1] = ""
        return [_settled(line) for line in lines]


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
