"""A list of rows in aligned columns, with a cursor. Columns give way when the screen is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from llm_studio.tui.widgets.painted import Painted, Part, Role, fitted

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Those with a higher `yields` vanish first on a narrow screen."""

    title: str
    right: bool = False
    flexible: bool = False
    """Takes the room that is left, and gives it up first."""
    yields: int = 0
    least: int = 10
    """The cells that a flexible column keeps."""
    fills: bool = False
    """Takes what the others leave, so that those after it stand at the right edge."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it stands for, and its cells. A row without a key is a heading."""

    key: str
    cells: tuple[Part, ...]


class Listing(Painted, can_focus=True):
    """Rows under a line of titles; only the rows that are seen are drawn."""

    DEFAULT_CSS = "Listing { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(-1)", show=False),
        Binding("end", "edge(1)", show=False),
    ]

    lit = False
    """Whether the cursor looks as with the focus also without it."""

    @dataclass
    class Highlighted(Message):
        """The cursor is on another row, or there is none."""

        listing: Listing
        key: str

    @dataclass
    class Chosen(Message):
        """The row under the cursor was clicked twice, or Enter was pressed on it."""

        listing: Listing
        key: str

    def __init__(self, columns: Sequence[Column], *, titled: bool = True) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._titled = titled
        self._rows: tuple[Row, ...] = ()
        self._cursor = -1
        self._top = 0
        self._widths = (0,) * len(self._columns)
        self._measured_for = 0

    # What it shows

    @property
    def key(self) -> str:
        """The row under the cursor; empty where there is none."""
        return self._rows[self._cursor].key if 0 <= self._cursor < len(self._rows) else ""

    @property
    def keys(self) -> list[str]:
        return [row.key for row in self._rows if row.key]

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns

    def show(self, rows: Sequence[Row], *, columns: Sequence[Column] | None = None) -> None:
        """Other rows; the cursor stays on what it was on. Only lines that differ are drawn."""
        before, key, widths = self._rows, self.key, self._widths
        if columns is not None:
            self._columns = tuple(columns)
        self._rows = tuple(rows)
        at = next((i for i, row in enumerate(self._rows) if row.key and row.key == key), -1)
        if at < 0:
            at = self._nearest(max(self._cursor, 0))
        moved, self._cursor = at != self._cursor, at
        self._measure()
        if widths != self._widths or len(before) != len(self._rows) or moved or columns:
            self._keep_in_sight()
            self.refresh()
        else:
            for index, (old, new) in enumerate(zip(before, self._rows, strict=True)):
                if old != new:
                    self._refresh_row(index)
        if self.key != key:
            self.post_message(self.Highlighted(self, self.key))

    def go_to(self, key: str) -> None:
        """Put the cursor on a row."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._set_cursor(index)

    def _nearest(self, wanted: int) -> int:
        """The row nearest to a place that the cursor may be on."""
        real = [index for index, row in enumerate(self._rows) if row.key]
        return min(real, key=lambda index: abs(index - wanted), default=-1)

    # Moving

    def action_move(self, step: int) -> None:
        index = self._cursor + step
        while 0 <= index < len(self._rows) and not self._rows[index].key:
            index += step
        if 0 <= index < len(self._rows):
            self._set_cursor(index)
        elif step < 0 and self._top:
            self._top = 0  # the headings above the first row
            self.refresh()

    def action_page(self, step: int) -> None:
        self._set_cursor(self._nearest(self._cursor + step * max(self._height - 1, 1)))

    def action_edge(self, side: int) -> None:
        self._set_cursor(self._nearest(0 if side < 0 else len(self._rows)))

    def _set_cursor(self, index: int) -> None:
        if index == self._cursor or not self._rows:
            return
        before, self._cursor = self._cursor, index
        if self._keep_in_sight():
            self.refresh()
        else:
            self._refresh_row(before)
            self._refresh_row(index)
        self.post_message(self.Highlighted(self, self.key))

    def _keep_in_sight(self) -> bool:
        """Scroll so that the cursor is seen; whether that moved anything."""
        before = self._top
        height = max(self._height, 1)
        if self._cursor >= 0:
            self._top = min(self._top, self._cursor)
            self._top = max(self._top, self._cursor - height + 1)
        self._top = max(min(self._top, len(self._rows) - height), 0)
        return self._top != before

    @property
    def _height(self) -> int:
        return self.size.height - self._titled

    # The mouse

    def on_click(self, event: events.Click) -> None:
        index = event.y - self._titled + self._top
        if 0 <= index < len(self._rows) and self._rows[index].key:
            again = index == self._cursor
            self._set_cursor(index)
            if again or event.chain > 1:
                self.post_message(self.Chosen(self, self.key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-1)

    # Drawing

    def on_resize(self) -> None:
        self._measure()
        self._keep_in_sight()
        self.refresh()

    def on_focus(self) -> None:
        self._refresh_row(self._cursor)

    def on_blur(self) -> None:
        self._refresh_row(self._cursor)

    def _refresh_row(self, index: int) -> None:
        y = index - self._top + self._titled
        if self._titled <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _measure(self) -> None:
        """A width for each column; 0 for one that has to give way."""
        self._measured_for = self.size.width
        room = self.size.width - 2  # a margin on either side, the right one for the scroll mark
        cells = [row.cells for row in self._rows if row.key]
        widest = [
            max((cell_len(row[i][0]) for row in cells), default=0)
            for i in range(len(self._columns))
        ]
        natural = [
            max(width, cell_len(column.title)) if width else 0
            for width, column in zip(widest, self._columns, strict=True)
        ]
        kept = [i for i, width in enumerate(natural) if width]
        least = [
            min(width, column.least) if column.flexible else width
            for width, column in zip(natural, self._columns, strict=True)
        ]
        while len(kept) > 1 and sum(least[i] for i in kept) + GAP * (len(kept) - 1) > room:
            kept.remove(max(kept, key=lambda i: (self._columns[i].yields, i)))
        widths = [natural[i] if i in kept else 0 for i in range(len(natural))]
        excess = sum(widths) + GAP * (len(kept) - 1) - room
        for i in sorted(kept, key=lambda i: -self._columns[i].yields):
            if excess > 0 and self._columns[i].flexible:
                given = min(excess, max(widths[i] - least[i], 0))
                widths[i] -= given
                excess -= given
        for i in kept:
            if excess < 0 and self._columns[i].fills:
                widths[i] -= excess
                excess = 0
        self._widths = tuple(max(width, 0) for width in widths)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if width != self._measured_for:  # drawn before it was told of its new size
            self._measure()
        if y < self._titled:
            titles: list[Part] = [(column.title, "dim") for column in self._columns]
            return self.line(self._parts(tuple(titles)), width)
        index = y - self._titled + self._top
        if index >= len(self._rows):
            return self.line((), width)
        row = self._rows[index]
        under: Role = ""
        if index == self._cursor:
            under = "cursor" if self.has_focus or self.lit else "mark"
        parts = self._parts(row.cells) if row.key else [(" ", ""), *row.cells]
        if self._scroll_mark(y):
            used = sum(cell_len(text) for text, _ in parts)
            parts += [(" " * (width - 1 - used), ""), ("▕", "dim")]
        return self.line(parts, width, under)

    def _parts(self, cells: tuple[Part, ...]) -> list[Part]:
        parts: list[Part] = [(" ", "")]
        for column, width, (text, role) in zip(self._columns, self._widths, cells, strict=True):
            if width:
                gap = " " * GAP if len(parts) > 1 else ""
                parts.append((gap + fitted(text, width, right=column.right), role))
        return parts

    def _scroll_mark(self, y: int) -> bool:
        """Whether the thumb of the scroll bar is on this line."""
        height, count = self._height, len(self._rows)
        if count <= height or height < 1:
            return False
        length = max(height * height // count, 1)
        start = (height - length) * self._top // (count - height)
        return start <= y - self._titled < start + length
