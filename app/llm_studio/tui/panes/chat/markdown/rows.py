"""Blocks as rows of a given width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from llm_studio.tui.panes.chat.markdown.blocks import Block, Code, Rule, Span, Table, Words
from llm_studio.tui.panes.chat.markdown.code import coloured

TAB = 4
_PIECES = re.compile(r"\n|[^\S\n]+|[^\s\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]+|\S")
"""Words, blanks, and letters of scripts that are written without blanks."""


class Row:
    """One row of cells; `under` is a style that lies below all of it, to the right edge."""

    __slots__ = ("drawn", "spans", "under")

    def __init__(self, spans: list[Span], under: str = "") -> None:
        self.spans = spans
        self.under = under
        self.drawn: object = None
        """What the widget made of it, kept for the next time."""

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.spans)


def rows_of(block: Block, width: int) -> list[Row]:
    """A block, laid out."""
    width = max(width, 8)
    rows: list[Row] = []
    if isinstance(block, Words):
        rows = [Row(spans) for spans in wrapped(block.spans, width - _cells(block.rest))]
    elif isinstance(block, Code):
        rows = code_rows(block, width - _cells(block.rest))
    elif isinstance(block, Table):
        rows = table_rows(block, width - _cells(block.rest))
    elif isinstance(block, Rule):
        rows = [Row([("─" * (width - _cells(block.rest)), "dim")])]
    for number, row in enumerate(rows or [Row([])]):
        before = block.rest if number else block.first
        row.spans = [*before, *row.spans]
    return rows or [Row([*block.first])]


def _cells(spans: Iterable[Span]) -> int:
    return sum(cell_len(text) for text, _ in spans)


def wrapped(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """Spans broken into rows between words; a word that is too long is broken anywhere."""
    width = max(width, 4)
    rows: list[list[Span]] = [[]]
    room = width
    for text, style in spans:
        text = text.expandtabs(TAB)
        if "\n" not in text and (size := cell_len(text)) <= room:
            _put(rows[-1], text, style)
            room -= size
            continue
        for piece in _PIECES.findall(text):
            if piece == "\n":
                rows.append([])
                room = width
                continue
            size = cell_len(piece)
            if size > room and room < width:
                _strip_end(rows[-1])
                rows.append([])
                room = width
                if piece.isspace():
                    continue
            while size > room:
                part = chop_cells(piece, room)[0] or piece[0]
                _put(rows[-1], part, style)
                piece = piece[len(part) :]
                rows.append([])
                room, size = width, cell_len(piece)
            if piece:
                _put(rows[-1], piece, style)
                room -= size
    return rows


def _put(row: list[Span], text: str, style: str) -> None:
    if row and row[-1][1] == style:
        row[-1] = (row[-1][0] + text, style)
    else:
        row.append((text, style))


def _strip_end(row: list[Span]) -> None:
    if row:
        row[-1] = (row[-1][0].rstrip(" "), row[-1][1])


# Code


def code_rows(block: Code, width: int) -> list[Row]:
    """All lines of code; the language stands above them."""
    rows = [Row([(f" {block.language}", "dim")], "block")] if block.language else []
    for spans in coloured(block.language, block.lines):
        rows += code_line(spans, width)
    return rows


def code_line(spans: list[Span], width: int) -> list[Row]:
    """A line of code, broken where the room ends: its blanks mean something."""
    room = max(width - 2, 4)
    expanded = _expanded(spans)
    if _cells(expanded) <= room:
        return [Row([(" ", ""), *expanded], "block")]
    rows: list[list[Span]] = [[]]
    left = room
    for text, style in expanded:
        while text:
            part = text if cell_len(text) <= left else (chop_cells(text, left)[0] if left else "")
            if part:
                rows[-1].append((part, style))
                text, left = text[len(part) :], left - cell_len(part)
            if text:
                rows.append([])
                left = room
    return [Row([(" ", ""), *row], "block") for row in rows]


def _expanded(spans: list[Span]) -> list[Span]:
    """Tabs as blanks, to the stops that the line as a whole has."""
    if not any("\t" in text for text, _ in spans):
        return spans
    found, column = [], 0
    for text, style in spans:
        while "\t" in text:
            before, _, text = text.partition("\t")
            column += cell_len(before)
            blanks = TAB - column % TAB
            found.append((before + " " * blanks, style))
            column += blanks
        column += cell_len(text)
        found.append((text, style))
    return found


# Tables

_LEAST = 5


def table_rows(table: Table, width: int) -> list[Row]:
    """Columns side by side, or where they are too many, each row as a list of its cells."""
    count = max((len(row) for row in table.rows), default=0)
    if not count:
        return [Row([])]
    for row in table.rows:
        row += [[] for _ in range(count - len(row))]
    natural = [max(max(_cells(row[column]) for row in table.rows), 1) for column in range(count)]
    widths = _fitting(natural, width - 3 * (count - 1))
    if widths is None:
        return _stacked(table, width)
    rows: list[Row] = []
    for number, cells in enumerate(table.rows):
        columns = [wrapped(cell, size) for cell, size in zip(cells, widths, strict=True)]
        for line in range(max(map(len, columns))):
            spans: list[Span] = []
            for at, (column, size) in enumerate(zip(columns, widths, strict=True)):
                if at:
                    spans.append((" │ ", "dim"))
                cell = column[line] if line < len(column) else []
                blank = " " * max(size - _cells(cell), 0)
                right = at < len(table.right) and table.right[at]
                spans += [(blank, ""), *cell] if right else [*cell, (blank, "")]
            rows.append(Row(spans))
        if not number:
            rows.append(Row([("─┼─".join("─" * size for size in widths), "dim")]))
    return rows


def _fitting(natural: Sequence[int], room: int) -> list[int] | None:
    """Widths that fit: the widest columns give way first; None if that is too little."""
    widths = list(natural)
    if room < sum(min(each, _LEAST) for each in widths):
        return None
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        second = max((each for each in widths if each < widest), default=_LEAST)
        many = [at for at, each in enumerate(widths) if each == widest]
        step = max(min(widest - max(second, _LEAST), -(-excess // len(many))), 1)
        for at in many:
            taken = min(step, excess)
            widths[at] -= taken
            excess -= taken
    return widths


def _stacked(table: Table, width: int) -> list[Row]:
    titles, *others = table.rows
    rows: list[Row] = []
    for number, cells in enumerate(others or [titles]):
        if number:
            rows.append(Row([]))
        for title, cell in zip(titles, cells, strict=True):
            rows += [Row(spans) for spans in wrapped([*title, (": ", "dim"), *cell], width)]
    return rows


def cut(text: str, width: int) -> str:
    """A text of at most so many cells."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)) + "…"
