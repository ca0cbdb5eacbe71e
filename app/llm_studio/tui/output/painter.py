"""Keeps the terminal's screen like Textual's, with as few bytes as that takes."""

from __future__ import annotations

import re
from asyncio import AbstractEventLoop
from collections.abc import Callable
from math import inf
from time import monotonic

from rich.color import ColorSystem
from rich.console import Console

from llm_studio.tui.output import scroll
from llm_studio.tui.output.abilities import Abilities
from llm_studio.tui.output.encode import Encoder
from llm_studio.tui.output.outlet import PATIENCE, Outlet
from llm_studio.tui.output.pens import Pens
from llm_studio.tui.output.screen import Screen, Update, strips_of

_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_HARMLESS = re.compile(
    r"(?:\x07"  # bell
    r"|\x1b\](?!1337;File)[^\x07\x1b]*(?:\x07|\x1b\\)"  # title, clipboard, pointer
    r"|\x1b\[[<=>?](?!(?:47|1047|1049)[hl])[0-9;]*[ -/]*[@-~]"  # modes
    r"|\x1b\[[0-9;]*[ -/]*[cnqt])*"  # questions, shape of the cursor
)
"""What may be written without the screen changing."""
_SHARE = 0.15
"""On a slow link a frame takes about so many seconds, so that a key's rows soon have their turn."""
_SMALLEST_SHARE = 1024
_RESIZING = 0.15


class Painter:
    """Compares, encodes and sends. While a frame is on its way, the next ones become one."""

    def __init__(
        self,
        console: Console,
        abilities: Abilities,
        loop: AbstractEventLoop,
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._console = console
        self._abilities = abilities
        self._loop = loop
        self._on_fault = on_fault
        self._outlet: Outlet | None = None
        self._screen = self._blank(0, 0)
        self._pictures: dict[tuple[int, int], str] = {}
        self._cursor = (0, 0)
        self._cursor_shown: tuple[int, int] | None = None
        self._turns: dict[int, int] = {}
        self._frames = 0
        self._held_until = 0.0
        self._looks_again = False
        self.synchronized = False
        """Whether the terminal shows a frame all at once (mode 2026)."""

    def attach(self, outlet: Outlet) -> None:
        """There is a terminal now, of which nothing is known."""
        self._outlet = outlet
        self._cursor_shown = None
        self._screen.repaint()

    def detach(self) -> None:
        """The terminal is another program's; what is drawn meanwhile is kept for later."""
        self._outlet = None

    def show(self, update: Update, size: tuple[int, int], cursor: tuple[int, int]) -> None:
        """What Textual drew."""
        try:
            self._draw(update, size)
        except Exception as error:
            self._on_fault(error)
        else:
            self._cursor = cursor
            self.flush()

    def _draw(self, update: Update, size: tuple[int, int]) -> None:
        if size != (self._screen.width, self._screen.height):
            self._screen = self._blank(*size)
            self._pictures.clear()
            self._turns.clear()
            self._cursor_shown = None
            self._held_until = 0.0
        draw = self._screen.draw
        for x, y, strip in strips_of(update):
            if y >= self._screen.height or x >= self._screen.width:
                continue
            if draw(x, y, strip):
                self._pictures.pop((x, y), None)
            else:
                self._pictures[x, y] = strip.render(self._console)

    def write(self, text: str) -> None:
        """What is not drawn but written: bell, title, clipboard, modes, and whatever else."""
        if self._outlet is None:
            return
        if _HARMLESS.fullmatch(text):
            self._outlet.send(text)
            return
        self._send(self._outlet, inf)
        self._outlet.send(text)
        self._forget()

    def repaint(self) -> None:
        """Send everything again."""
        self._screen.repaint()
        self._cursor_shown = None
        self.flush()

    def resizing(self) -> None:
        """The terminal has another size; Textual will soon draw for it, or (where it was changed
        and changed back) has nothing to say although the terminal lost what did not fit."""
        self._screen.repaint()
        self._cursor_shown = None
        self._held_until = monotonic() + _RESIZING
        self._loop.call_later(_RESIZING + 0.01, self.flush)

    def flush(self) -> None:
        """Send what changed, unless the terminal is still busy with what it was sent."""
        if self._outlet is None or monotonic() < self._held_until:
            return
        if not self._outlet.ready:
            if not self._looks_again:
                self._looks_again = True
                self._loop.call_later(PATIENCE, self._look_again)
            return
        pace = self._outlet.pace
        share = max(_SMALLEST_SHARE, (pace.rate or 0.0) * _SHARE) if pace.slow else inf
        self._send(self._outlet, share)

    def _look_again(self) -> None:
        self._looks_again = False
        self.flush()

    def _send(self, outlet: Outlet, share: float) -> None:
        try:
            frame = self._frame(share)
        except Exception as error:
            self._on_fault(error)
            return
        if frame:
            self._cursor_shown = self._cursor
            outlet.send(frame, ask=True)

    def _frame(self, share: float) -> str:
        """What brings the terminal up to date, or about so many bytes of it."""
        screen = self._screen
        self._frames += 1
        encoder = Encoder(screen, self._abilities, self._cursor_shown)
        lines = scroll.found(screen)
        if lines is not None:
            encoder.scroll(*lines)
        rows = sorted(screen.changed)
        if share < inf:
            # Rows that were quiet come first: among them is what the last key did.
            rows.sort(key=lambda y: self._turns.get(y, 0))
        for y in rows:
            encoder.row(y)
            screen.changed.discard(y)
            self._turns[y] = self._frames
            if encoder.size >= share:
                break
        frame = encoder.finish(self._cursor)
        if self._pictures and not screen.changed:
            pictures = (_at(*place, drawing) for place, drawing in self._pictures.items())
            frame += f"{''.join(pictures)}\x1b[m{_at(*self._cursor, '')}"
            self._forget()
        if self.synchronized and encoder.moves > 1:
            frame = f"{_SYNC_START}{frame}{_SYNC_END}"
        return frame

    def _forget(self) -> None:
        """Nothing is known of the screen any more; what Textual draws next is sent as it comes."""
        self._pictures.clear()
        self._cursor_shown = None
        self._screen = self._blank(self._screen.width, self._screen.height)

    def _blank(self, width: int, height: int) -> Screen:
        depth = self._console._color_system or ColorSystem.TRUECOLOR
        pens = Pens(depth, colours_blanks=self._abilities.erases_in_colour)
        return Screen(width, height, pens)


def _at(x: int, y: int, text: str) -> str:
    return f"\x1b[{y + 1};{x + 1}H{text}"
