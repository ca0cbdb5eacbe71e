"""The cheapest escape sequences that turn what the terminal shows into what it shall show."""

from __future__ import annotations

import re

from llm_studio.tui.output.abilities import Abilities
from llm_studio.tui.output.cells import Cell, Loose
from llm_studio.tui.output.pens import Pen
from llm_studio.tui.output.screen import Screen

_REPEATED = re.compile(r"(.)\1{7,}", re.DOTALL)
_BRIDGE = 4
"""Writing so many unchanged columns again costs no more than a move of the cursor."""
_ERASE_LENGTH = len("\x1b[K")
_ERASING_PAYS = len("\x1b[99X\x1b[99C") + 1
"""From so many blanks on, erasing them and moving on is shorter than writing them."""


class Encoder:
    """Writes one frame, which starts and ends with a plain pen."""

    def __init__(
        self, screen: Screen, abilities: Abilities, cursor: tuple[int, int] | None
    ) -> None:
        self._screen = screen
        self._abilities = abilities
        self._x: int | None = None
        self._y: int | None = None
        if cursor is not None:
            self._x, self._y = cursor
        self._pen: Pen = screen.pens.plain
        self._out: list[str] = []
        self.moves = 0
        """How many separate places were written to."""
        self.size = 0
        """About how many bytes the frame has so far."""

    def finish(self, cursor: tuple[int, int]) -> str:
        self._use(self._screen.pens.plain)
        if (self._x, self._y) != cursor:
            self._move(*cursor)
        return "".join(self._out)

    def scroll(self, top: int, end: int, rows: int) -> None:
        """Let the terminal move lines up (or down, where `rows` is negative) by itself.

        Margins and line feeds are older than the sequences for scrolling, and known everywhere.
        What the terminal puts into the rows that come free depends on it, so that is unknown.
        """
        start, step = (end, "\n") if rows > 0 else (top + 1, "\x1bM")
        self._use(self._screen.pens.plain)
        self._out.append(f"\x1b[{top + 1};{end}r\x1b[{start}H{step * abs(rows)}\x1b[r")
        self._x = self._y = 0
        self.moves += 1
        self._screen.moved(top, end, rows)

    def row(self, y: int) -> None:
        """Bring one row of the terminal up to date."""
        screen = self._screen
        wanted, pens = screen.wanted[y], screen.wanted_pens[y]
        shown, shown_pens = screen.shown[y], screen.shown_pens[y]
        if wanted == shown and pens == shown_pens:
            return
        changed = [
            x
            for x, cell in enumerate(wanted)
            if cell is not None and (cell != shown[x] or pens[x] is not shown_pens[x])
        ]
        if y in screen.loose:
            changed = self._with_what_spills(changed, wanted, shown)
        before = len(self._out)
        blank_from = _blank_tail(wanted, pens)
        at = 0
        while at < len(changed):
            start = changed[at]
            while wanted[start] == "":
                start -= 1
            at, end = self._run(changed, at, wanted, pens)
            if end - max(start, blank_from) > _ERASE_LENGTH:
                self._write(y, start, blank_from, wanted, pens)
                self._erase_tail(y, max(start, blank_from), pens[-1])
                break
            self._write(y, start, end, wanted, pens)
        self.size += sum(map(len, self._out[before:]))
        screen.shown[y], screen.shown_pens[y] = wanted[:], pens[:]
        if y in screen.loose and not any(type(cell) is Loose for cell in wanted):
            screen.loose.discard(y)

    def _with_what_spills(
        self, changed: list[int], wanted: list[Cell], shown: list[Cell]
    ) -> list[int]:
        """Where a loose cluster comes or goes, all to its right is written again: one terminal
        draws it over its neighbours, another leaves there what was before."""
        for x in changed:
            if type(wanted[x]) is Loose or type(shown[x]) is Loose:
                rest = range(x + 1, len(wanted))
                left = [each for each in changed if each <= x]
                return left + [each for each in rest if wanted[each] is not None]
        return changed

    def _run(
        self, changed: list[int], at: int, wanted: list[Cell], pens: list[Pen]
    ) -> tuple[int, int]:
        """The next changed cell after this run, and where the run ends. Short gaps are bridged."""
        last = changed[-1]
        mostly = (last - changed[at]) * 5 < (len(changed) - at) * 6
        if mostly and None not in wanted[changed[at] : last]:
            at = len(changed)  # not worth a search
        else:
            last = changed[at]
            at += 1
        while at < len(changed):
            following = changed[at]
            if following - last > 1:
                gap = slice(last + 1, following)
                if following - last - 1 > _BRIDGE or not _bridges(
                    wanted[gap], pens[gap], pens[last]
                ):
                    break
            last = following
            at += 1
        end = last + 1
        while end < len(wanted) and wanted[end] == "":
            end += 1
        return at, end

    def _write(self, y: int, start: int, end: int, wanted: list[Cell], pens: list[Pen]) -> None:
        x = start
        while x < end:
            pen = pens[x]
            if wanted[x] == " " and self._pen.blank is pen:
                pen = self._pen
            if (self._x, self._y) != (x, y):
                self._move(x, y)
            if type(wanted[x]) is Loose:
                x = self._write_loose(x, wanted, pens)
                continue
            stop = x + 1
            while stop < end:
                cell = wanted[stop]
                if type(cell) is Loose:
                    break
                if pens[stop] is not pen and (cell != " " or pens[stop] is not pen.blank):
                    break
                stop += 1
            self._use(pen)
            self._put("".join(wanted[x:stop]), stop - x)  # type: ignore[arg-type]
            x = stop

    def _put(self, text: str, columns: int) -> None:
        """Text where the cursor is, with long repetitions made short."""
        done = 0
        if len(text) == columns:
            for match in _REPEATED.finditer(text):
                first, end = match.span()
                if match[1] == " ":
                    if end - first < _ERASING_PAYS or not self._pen.blank.erases:
                        continue
                    short = f"\x1b[{end - first}X\x1b[{end - first}C"
                elif self._abilities.repeats:
                    short = f"{match[1]}\x1b[{end - first - 1}b"
                else:
                    continue
                self._out += (text[done:first], short)
                done = end
        self._out.append(text[done:])
        self._advance(columns)

    def _write_loose(self, x: int, wanted: list[Cell], pens: list[Pen]) -> int:
        """A cluster that may come out wider or narrower: on clean cells, then the cursor is set."""
        end = x + 1
        while end < len(wanted) and wanted[end] == "":
            end += 1
        self._use(pens[x])
        self._out.append(f"{' ' * (end - x)}\x1b[{x + 1}G{wanted[x]}")
        self._x = None
        if end < len(wanted):
            self._out.append(f"\x1b[{end + 1}G")
            self._x = end
        return end

    def _erase_tail(self, y: int, x: int, pen: Pen) -> None:
        if (self._x, self._y) != (x, y):
            self._move(x, y)
        if self._pen.blank is not pen:
            self._use(pen)
        self._out.append("\x1b[K")

    def _advance(self, columns: int) -> None:
        assert self._x is not None
        self._x += columns
        if self._x >= self._screen.width:
            self._x = None  # terminals differ about where the cursor is after the last column

    def _use(self, pen: Pen) -> None:
        if pen is not self._pen:
            self._out.append(self._pen.to(pen))
            self._pen = pen

    def _move(self, x: int, y: int) -> None:
        self._out.append(_shortest_move(self._x, self._y, x, y))
        self._x, self._y = x, y
        self.moves += 1


def _blank_tail(wanted: list[Cell], pens: list[Pen]) -> int:
    """From which column on the row is blank up to its end, in one look that erasing leaves."""
    pen = pens[-1]
    x = len(wanted)
    if pen.erases:
        while x and wanted[x - 1] == " " and pens[x - 1] is pen:
            x -= 1
    return x


def _bridges(cells: list[Cell], pens: list[Pen], pen: Pen) -> bool:
    """Whether unchanged cells can be written again without changing the pen."""
    return all(
        cell is not None
        and len(cell) == 1
        and cell.isascii()
        and (each is pen or (cell == " " and each is pen.blank))
        for cell, each in zip(cells, pens, strict=True)
    )


def _shortest_move(from_x: int | None, from_y: int | None, x: int, y: int) -> str:
    ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
    if from_y is not None:
        if y == from_y:
            ways.append(_along(from_x, x))
        elif not x and 0 < y - from_y < 3:
            ways.append("\r" + "\n" * (y - from_y))
        elif from_x is not None:
            ways.append(_steps(y - from_y, "B", "A") + _along(from_x, x))
    return min(ways, key=len)


def _along(from_x: int | None, x: int) -> str:
    """Within the row."""
    if x == from_x:
        return ""
    ways = [f"\x1b[{x + 1}G" if x else "\r"]
    if from_x is not None:
        ways.append(_steps(x - from_x, "C", "D"))
        if x < from_x:
            ways.append("\b" * (from_x - x))
    return min(ways, key=len)


def _steps(count: int, forward: str, back: str) -> str:
    letter = forward if count > 0 else back
    return f"\x1b[{letter}" if abs(count) == 1 else f"\x1b[{abs(count)}{letter}"
