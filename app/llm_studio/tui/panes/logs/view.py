"""The lines on the screen: only those that are seen are ever drawn, whatever the length."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from llm_studio.tui.figures import ago
from llm_studio.tui.panes.logs.lines import SEARCHED, Found, Line, Lines
from llm_studio.tui.widgets.painted import Painted, Part, Role

TIMES = ("clock", "ago", "none")
LEVEL_SIGN: dict[str, Part] = {
    "error": ("E ", "bad"),
    "warning": ("W ", "warn"),
    "debug": ("D ", "dim"),
}
LEVEL_ROLE: dict[str, Role] = {"error": "bad", "warning": "warn", "debug": "dim"}
_ENGINE_CLOCK = re.compile(r"\d+\.\d\d\.\d{3}\.\d{3} [A-Z] ")
"""How llama-server begins its lines: its own clock, and the level that has a sign here."""
SIDE = 16
"""Columns that the view goes to the side at once."""


class LogView(Painted, can_focus=True):
    """Shows `lines`, or those of them that are `found`. It follows until one scrolls up."""

    DEFAULT_CSS = "LogView { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "oldest", show=False),
        Binding("end", "newest", show=False),
        Binding("left", "side(-1)", show=False),
        Binding("right", "side(1)", show=False),
    ]

    @dataclass
    class Moved(Message):
        """It shows other lines than before, or follows, or no longer."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines
        self.found: Found | None = None
        self.pattern: re.Pattern[str] | None = None
        self.following = True
        self.wrap = False
        self.times = "clock"
        self.cursor: int | None = None
        self.marked: int | None = None
        """Where a selection began."""
        self._top = (0, 0)
        """The first line that is seen, and which of its rows."""
        self._x = 0
        self._rows: list[tuple[int, int]] = []

    # Which lines there are

    @property
    def count(self) -> int:
        return len(self.found.numbers) if self.found else len(self.lines)

    def number(self, index: int) -> int:
        return self.found.numbers[index] if self.found else self.lines.first + index

    def index(self, number: int) -> int:
        """The place of a line, or of the first after it."""
        if self.found:
            return bisect_left(self.found.numbers, number)
        return min(max(number - self.lines.first, 0), len(self.lines))

    @property
    def below(self) -> int:
        """How many lines wait below what is seen."""
        return max(self.count - 1 - self.index(self._rows[-1][0]), 0) if self._rows else 0

    @property
    def selected(self) -> list[int]:
        """The numbers of the selected lines, or of the one under the cursor."""
        if self.cursor is None:
            return []
        ends = sorted((self.cursor, self.marked if self.marked is not None else self.cursor))
        return [self.number(i) for i in range(self.index(ends[0]), self.index(ends[1] + 1))]

    # News

    def renew(self) -> None:
        """There are other lines, or they look different."""
        before = self._rows
        self._lay_out()
        if self._rows != before or self.following or self.times == "ago":
            self.refresh()

    def redraw(self) -> None:
        self._lay_out()
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        self._lay_out()
        self._keep_cursor()
        self.redraw()

    def _keep_cursor(self) -> None:
        """Where the view has become smaller, the line under the cursor is still seen."""
        for _ in range(len(self._rows)):
            if self.cursor is None or not self._rows or self.cursor <= self._rows[-1][0]:
                return
            self._top = self._stepped(self._rows[0], 1)
            self._lay_out()

    # Moving

    def action_move(self, step: int) -> None:
        if not self.count:
            return
        at = self.index(self.cursor) if self.cursor is not None else self.count - (step > 0)
        if self.cursor is None and not self.following and self._rows:
            at = self.index(self._rows[0 if step > 0 else -1][0])
            step = 0
        self.go_to(self.number(min(max(at + step, 0), self.count - 1)))

    def go_to(self, number: int) -> None:
        """Put the cursor on a line, and show it with some lines around."""
        seen = [each for each, _ in self._rows]
        self.cursor, self.following = number, False
        if not self._top_is_set():
            self._top = self._rows[0] if self._rows else (number, 0)
        if number not in seen:
            margin = self.size.height // 3
            self._top = (self.number(max(self.index(number) - margin, 0)), 0)
        elif number == seen[0]:
            self._top = (number, 0)
        elif number == seen[-1] and len(self._row_parts(number)) + seen.count(number) > 1:
            self._top = self._stepped(
                self._rows[0], len(self._row_parts(number)) - seen.count(number)
            )
        self.redraw()

    def _top_is_set(self) -> bool:
        return bool(self._rows) and self._top == self._rows[0]

    def action_page(self, step: int) -> None:
        self.scroll_rows(step * max(self.size.height - 1, 1))

    def scroll_rows(self, rows: int) -> None:
        """Move what is seen; the end of it follows again."""
        if not self._rows:
            return
        self._top = self._stepped(self._rows[0], rows)
        self.following, self.cursor = False, None
        self._lay_out()
        if rows > 0 and not self.below:
            self.following = True
        self.redraw()

    def action_oldest(self) -> None:
        if self.count:
            self.go_to(self.number(0))

    def action_newest(self) -> None:
        self.following, self.cursor, self.marked = True, None, None
        self.redraw()

    def action_side(self, step: int) -> None:
        if not self.wrap:
            self._x = max(self._x + step * SIDE, 0)
            self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        if event.y < len(self._rows):
            if event.shift and self.cursor is not None and self.marked is None:
                self.marked = self.cursor
            self.go_to(self._rows[event.y][0])

    def _stepped(self, place: tuple[int, int], rows: int) -> tuple[int, int]:
        """A place so many rows further down, or up."""
        number, row = place
        at = self.index(number)
        row += rows
        while row < 0 and at > 0:
            at -= 1
            row += len(self._row_parts(self.number(at)))
        while at < self.count - 1 and row >= len(self._row_parts(self.number(at))):
            row -= len(self._row_parts(self.number(at)))
            at += 1
        return (self.number(at), max(row, 0)) if self.count else place

    # Drawing

    def _lay_out(self) -> None:
        """Which row of which line is on each row of the screen."""
        height = self.size.height
        if not self.count or not height:
            self._rows = []
            return
        if self.following:
            self._rows = self._upwards(height)
            return
        number, row = self._top
        at = self.index(number)
        if number not in self.lines:
            row = 0
        rows: list[tuple[int, int]] = []
        while at < self.count and len(rows) < height:
            number = self.number(at)
            count = len(self._row_parts(number))
            rows += [(number, each) for each in range(min(row, count - 1), count)]
            row, at = 0, at + 1
        if len(rows) < height:
            rows = self._upwards(height)
        self._rows = rows[:height]
        self._top = self._rows[0]

    def _upwards(self, height: int) -> list[tuple[int, int]]:
        """The rows that end with the newest line."""
        rows: list[tuple[int, int]] = []
        at = self.count - 1
        while at >= 0 and len(rows) < height:
            number = self.number(at)
            rows[:0] = [(number, each) for each in range(len(self._row_parts(number)))]
            at -= 1
        return rows[-height:]

    def _row_parts(self, number: int) -> range:
        """The rows that a line takes."""
        if not self.wrap:
            return range(1)
        width = max(self.size.width - self._prefix_width() - 1, 10)
        return range(max(-(-_cells(self._text(self.lines[number])) // width), 1))

    def _text(self, line: Line) -> str:
        """The line; without the engine's own clock where there is ours, for room is scarce."""
        clock = _ENGINE_CLOCK.match(line.text) if self.times != "none" else None
        return line.text[clock.end() :] if clock else line.text

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._rows):
            return self.line((), width)
        number, row = self._rows[y]
        if number not in self.lines:
            return self.line((), width)
        line = self.lines[number]
        under: Role = ""
        if number == self.cursor:
            under = "cursor"
        elif self.marked is not None and self.cursor is not None:
            low, high = sorted((self.marked, self.cursor))
            under = "mark" if low <= number <= high else ""
        beside = self._prefix_width()
        prefix = self._prefix(line) if row == 0 else [(" " * beside, "")]
        room = max(width - beside - 1, 1)
        start = row * room if self.wrap else self._x
        parts = self._text_parts(line)
        if self.wrap or _cells(self._text(line)) <= start + room:
            shown = _between(parts, start, start + room)
        else:
            shown = [*_between(parts, start, start + room - 1), ("…", "dim")]
        return self.line([*prefix, *shown], width, under)

    def _prefix_width(self) -> int:
        return {"clock": 9, "ago": 8, "none": 1}[self.times] + 11

    def _prefix(self, line: Line) -> list[Part]:
        """When, who and how grave."""
        if self.times == "clock":
            when = time.strftime(" %H:%M:%S", time.localtime(line.time))
        else:
            when = f"{ago(time.time() - line.time):>8}" if self.times == "ago" else " "
        return [
            (when, "dim"),
            (f" {line.source[:7]:<7} ", "dim"),
            LEVEL_SIGN.get(line.level, ("  ", "")),
        ]

    def _text_parts(self, line: Line) -> list[Part]:
        """The text, with what was searched for marked."""
        role, text = LEVEL_ROLE.get(line.level, ""), self._text(line)
        if self.pattern is None:
            return [(text, role)]
        parts: list[Part] = []
        done = 0
        for match in self.pattern.finditer(text, 0, SEARCHED):
            if match.end() > match.start():
                parts += [(text[done : match.start()], role), (match.group(), "match")]
                done = match.end()
        return [*parts, (text[done:], role)]


def _between(parts: list[Part], start: int, end: int) -> list[Part]:
    """What is seen of a line between two columns."""
    seen: list[Part] = []
    for text, role in parts:
        if text.isascii():
            piece, cells = text[max(start, 0) : max(end, 0)], len(text)
        else:
            strip = Strip([Segment(text)])
            piece, cells = strip.crop(max(start, 0), max(end, 0)).text, strip.cell_length
        seen.append((piece, role))
        start, end = start - cells, end - cells
    return seen


@lru_cache(maxsize=4096)
def _cells(text: str) -> int:
    return cell_len(text)
