"""A text that is read while it grows: what is complete is never read again."""

from __future__ import annotations

import re

from llm_studio.tui.panes.chat.markdown.blocks import Block, Code, Span, Words
from llm_studio.tui.panes.chat.markdown.reader import Unit, read

LIVE = 2_000
"""Characters of a paragraph that are read anew with each piece; what is before stays as read."""
MOST = 24_000
"""The same for what cannot be broken off without harm, like a table."""
PORTION = 4_096
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$")


class Document:
    """The blocks of a text. Those in `done` stay as they are; `growing` may still change."""

    def __init__(self) -> None:
        self.done: list[Block] = []
        self.growing: list[Block] = []
        self._tail = ""
        self._blank = False
        """Whether a blank line is above the tail."""
        self._item = False
        """Whether an item of a list is above the tail."""
        self._read: list[Span] = []
        """The begin of the paragraph that grows, if it is so long that it is not read anew."""
        self._fence: tuple[Code, re.Pattern[str]] | None = None
        self._line = ""
        """The last line of an open fence, while it is not complete."""

    @classmethod
    def of(cls, text: str) -> Document:
        """A whole text. By portions, so that no text can take more than its length deserves."""
        document, start = cls(), 0
        while start < len(text):
            end = start + PORTION
            if end < len(text):
                end = text.rfind("\n\n", start, end) + 2 if "\n\n" in text[start:end] else end
            document.add(text[start:end])
            start = end
        document.finish()
        return document

    @property
    def blocks(self) -> list[Block]:
        return [*self.done, *self.growing]

    def add(self, piece: str) -> None:
        while piece:
            piece = self._add_code(piece) if self._fence else self._add_text(piece)

    def finish(self) -> None:
        """Nothing more comes."""
        if self._fence:
            code = self._fence[0]
            if self._line and not self._fence[1].fullmatch(self._line):
                code.lines.append(self._line)
            code.open = False
            self.growing = []
            self.done.append(code)
            self._fence, self._line = None, ""
        self.done += self.growing
        self.growing, self._tail, self._read = [], "", []

    # Text

    def _add_text(self, piece: str) -> str:
        """Take a piece in; what is left of it is the inside of a fence that began in it."""
        self._tail += piece
        units = read(self._tail)
        if not units:
            self.growing = []
            return ""
        lines = self._tail.splitlines(keepends=True)
        self._space_out(units, lines)
        if self._read:
            head = units[0].blocks[0]
            if isinstance(head, Words):
                head.spans = [*self._read, *head.spans]
        *complete, last = units
        for unit in complete:
            self.done += unit.blocks
        self.growing = list(last.blocks)
        if complete:
            self._tail = "".join(lines[last.line :])
            self._blank, self._item = not lines[last.line - 1].strip(), complete[-1].item
            self._read = []
        rest = self._opens_fence(last)
        if rest is None and len(self._tail) > (LIVE if _is_plain(last) else MOST):
            self._break_off(last)
        return rest or ""

    def _space_out(self, units: list[Unit], lines: list[str]) -> None:
        """Decide above which units an empty row is: items of a list stand as in the source."""
        item, blank = self._item, self._blank
        for number, unit in enumerate(units):
            if number:
                item, blank = units[number - 1].item, not lines[unit.line - 1].strip()
            unit.blocks[0].gap = not (unit.item and item) or blank
        if not self.done:
            units[0].blocks[0].gap = False

    def _break_off(self, unit: Unit) -> None:
        """A part that does not end: what came of it is read for the last time, come what may."""
        block = unit.blocks[0]
        if not _is_plain(unit) or not isinstance(block, Words):
            self.done += unit.blocks
            self._tail, self._blank, self._item, self.growing = "", False, unit.item, []
            return
        while len(self._tail) > LIVE:
            at = _word_after(self._tail, LIVE * 2 // 3)
            if not at and len(self._tail) < 2 * LIVE:
                break
            self._read_once(at or LIVE)
        self.growing = [each for unit in read(self._tail) for each in unit.blocks]
        head = self.growing[0] if self.growing else None
        if isinstance(head, Words):
            head.spans, head.gap = [*self._read, *head.spans], block.gap

    def _read_once(self, end: int) -> None:
        begin = [each for unit in read(self._tail[:end]) for each in unit.blocks]
        for each in begin:
            spans = each.spans if isinstance(each, Words) else []
            blank = self._tail[end - 1] if self._tail[end - 1].isspace() else ""
            self._read = [*self._read, *spans, *([(blank, "")] if blank else [])]
        self._tail = self._tail[end:]

    # Code

    def _opens_fence(self, unit: Unit) -> str | None:
        """If the tail is a fence that is still open: what is in it so far, to be taken as code."""
        block = unit.blocks[0] if len(unit.blocks) == 1 else None
        if not isinstance(block, Code) or block.first or "\n" not in self._tail:
            return None
        head, _, inside = self._tail.lstrip("\n").partition("\n")
        match = _FENCE.match(head)
        if not match:
            return None
        marks = match[1]
        ends = re.compile(rf" {{0,3}}{re.escape(marks[0])}{{{len(marks)},}}[ \t]*")
        if any(ends.fullmatch(line) for line in inside.split("\n")[:-1]):
            return None
        block.lines, block.open = [], True
        self._fence, self._line = (block, ends), ""
        self._tail = ""
        return inside

    def _add_code(self, piece: str) -> str:
        """Lines for the open fence; what follows its end is returned."""
        assert self._fence is not None
        code, ends = self._fence
        *lines, self._line = (self._line + piece).split("\n")
        for number, line in enumerate(lines):
            if ends.fullmatch(line):
                rest = "\n".join([*lines[number + 1 :], self._line])
                code.open = False
                self.done.append(code)
                self.growing, self._fence, self._line = [], None, ""
                self._blank, self._item, self._read = True, False, []
                return rest
            code.lines.append(line)
        return ""

    @property
    def unfinished_line(self) -> str:
        """What there is of the last line of an open fence."""
        if self._fence and not self._fence[1].fullmatch(self._line):
            return self._line
        return ""


def _is_plain(unit: Unit) -> bool:
    return all(isinstance(block, Words) for block in unit.blocks) and not unit.item


def _word_after(text: str, place: int) -> int:
    """Where a word begins at or after a place, of a kind that means nothing to Markdown there."""
    for match in re.finditer(r"(?<=[^\s][ \n])[^\W\d_]", text[place:]):
        return place + match.start()
    return 0
