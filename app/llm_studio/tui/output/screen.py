"""Two pictures of the terminal's screen: what it shall show, and what it shows."""

from __future__ import annotations

from typing import TypeVar

from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from llm_studio.tui.output.cells import Cell, cells_of, holds_picture
from llm_studio.tui.output.pens import Pen, Pens

Update = LayoutUpdate | ChopsUpdate
_Each = TypeVar("_Each")


class Screen:
    """Cells as Textual wants them and as the terminal has them; rows where the two may differ.

    A cell is None where something was drawn that is not text, or where nothing is known. Nothing
    is sent for a cell that is None on both sides: it stays as it is until Textual draws there.
    """

    def __init__(self, width: int, height: int, pens: Pens) -> None:
        self.width = width
        self.height = height
        self.pens = pens
        rows = range(height)
        self.wanted: list[list[Cell]] = [[None] * width for _ in rows]
        self.wanted_pens: list[list[Pen]] = [[pens.plain] * width for _ in rows]
        self.shown: list[list[Cell]] = [[None] * width for _ in rows]
        self.shown_pens: list[list[Pen]] = [[pens.plain] * width for _ in rows]
        self.changed: set[int] = set()
        """Rows where the two pictures may differ."""
        self.loose: set[int] = set()
        """Rows that may hold clusters whose width terminals disagree about."""
        self._strips: list[dict[int, Strip]] = [{} for _ in rows]

    def draw(self, x: int, y: int, strip: Strip) -> bool:
        """What Textual wants from this column on; False where that is a picture, not text."""
        strips = self._strips[y]
        before = strips.get(x)
        if before is strip:
            return True
        if holds_picture(strip):
            self._lose(x, y, strip.cell_length)
            return False
        end = x + strip.cell_length
        if before is None or before.cell_length != strip.cell_length:
            for other in [at for at in strips if at < end and at + strips[at].cell_length > x]:
                del strips[other]
        strips[x] = strip
        characters, pens, loose = cells_of(strip, self.pens)
        if loose:
            self.loose.add(y)
        room = max(0, min(strip.cell_length, self.width - x))
        if len(characters) != room:
            _fit(characters, pens, room, self.pens.plain)
        self._put(x, y, characters, pens)
        return True

    def _lose(self, x: int, y: int, width: int) -> None:
        self._strips[y].clear()
        count = max(0, min(width, self.width - x))
        self._put(x, y, [None] * count, [self.pens.plain] * count)

    def repaint(self) -> None:
        """The terminal lost everything; all that is known of it is to be sent again."""
        self.shown = [[None] * self.width for _ in range(self.height)]
        self.changed.update(range(self.height))

    def moved(self, top: int, end: int, rows: int) -> None:
        """The terminal moved the lines of these rows up by so many; others came free."""
        self.shown[top:end] = _moved(self.shown[top:end], rows, None)
        self.shown_pens[top:end] = _moved(self.shown_pens[top:end], rows, self.pens.plain)
        self.changed.update(range(top, end))
        if self.loose.intersection(range(top, end)):
            self.loose.update(range(top, end))

    def _put(self, x: int, y: int, characters: list[Cell], pens: list[Pen]) -> None:
        row, row_pens = self.wanted[y], self.wanted_pens[y]
        end = x + len(characters)
        if row[x:end] == characters and row_pens[x:end] == pens:
            return
        # A wide character that loses one half is gone as a whole, as it is in a terminal.
        if x < self.width and row[x] == "":
            left = x - 1
            while row[left] == "":
                left -= 1
            self._blank(y, left, x)
        right = end
        while right < self.width and row[right] == "":
            right += 1
        self._blank(y, end, right)
        row[x:end] = characters
        row_pens[x:end] = pens
        self.changed.add(y)

    def _blank(self, y: int, start: int, end: int) -> None:
        for x in range(start, end):
            self.wanted[y][x] = " "
            self.wanted_pens[y][x] = self.wanted_pens[y][x].blank


def _moved(lines: list[list[_Each]], rows: int, free: _Each) -> list[list[_Each]]:
    come = [[free] * len(lines[0]) for _ in range(abs(rows))]
    return lines[rows:] + come if rows > 0 else come + lines[:rows]


def _fit(characters: list[Cell], pens: list[Pen], room: int, plain: Pen) -> None:
    """Make a strip as long as it says; a wide character at the edge is cut as a terminal does."""
    if len(characters) < room:
        missing = room - len(characters)
        characters += [" "] * missing
        pens += [plain] * missing
        return
    at = room
    while at > 0 and characters[at] == "":
        at -= 1
    del characters[room:], pens[room:]
    for x in range(at, room):
        characters[x] = " "
        pens[x] = pens[x].blank


def strips_of(update: Update) -> list[tuple[int, int, Strip]]:
    """Every strip of an update with its place."""
    found: list[tuple[int, int, Strip]] = []
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                found.append((x, y, strip))
                x += strip.cell_length
        return found
    for y, first, end in update.spans:
        for strip_end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            # A strip that reaches beyond the span is drawn whole: Textual rendered all of it.
            if chop is not None and x < end and strip_end > first:
                found.append((x, y, chop))
    return found
