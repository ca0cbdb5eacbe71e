"""One message as rows: who speaks, the thoughts, the text, what it took."""

from __future__ import annotations

from collections.abc import Iterable

from llm_studio.tui.figures import counted, tokens
from llm_studio.tui.panes.chat.markdown.blocks import Block, Code, Span
from llm_studio.tui.panes.chat.markdown.code import coloured
from llm_studio.tui.panes.chat.markdown.document import Document
from llm_studio.tui.panes.chat.markdown.rows import Row, code_line, cut, rows_of, wrapped
from llm_studio.tui.panes.chat.model import Figures, Message

FOLDED = 30
"""Rows of what a user said that are shown; a paste may have thousands."""
GLIMPSE = 3
"""Rows of thoughts that are shown while they come."""


class Entry:
    """The rows of a message. What did not change is not laid out again."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.open = False
        """Whether thoughts, and all of a long text, are shown."""
        self.place = ""
        """Which of several branches this is, like "2/3"."""
        self._key: tuple[object, ...] = ()
        self._rows: list[Row] = []
        self._body = Body()
        self._thought: tuple[tuple[int, int, bool], list[Row]] = ((0, 0, False), [])

    def rows(self, width: int) -> list[Row]:
        message = self.message
        key = (message.version, width, self.open, self.place)
        if key != self._key:
            self._key = key
            self._rows = list(self._laid_out(width))
        return self._rows

    def _laid_out(self, width: int) -> Iterable[Row]:
        message = self.message
        yield self._head(width)
        for went in message.attachments:
            yield Row([("+ ", "accent"), (cut(went.told, width - 2), "dim")], self._under)
            yield from went.rows or ()
        if message.role == "user":
            yield from self._said(width)
        else:
            yield from self._thoughts(width)
            yield from self._body.rows(message.read(), width)
            for name, arguments in message.tools:
                yield from _plain(
                    [("calls ", "dim"), (name, "strong"), (f"({arguments})", "")], width
                )
            yield from self._ending(width)
        yield Row([])

    @property
    def _under(self) -> str:
        return "said" if self.message.role == "user" else ""

    def _head(self, width: int) -> Row:
        message = self.message
        names = {"user": "You", "summary": "Summary of what was before"}
        name = names.get(message.role) or message.profile or "Answer"
        spans: list[Span] = [(cut(name, width), "accent strong")]
        if self.place:
            spans.append((f"  ‹ {self.place} ›", "dim"))
        if message.left_out:
            spans.append((f"  {counted(message.left_out, 'message')} before not sent", "warn"))
        return Row(spans, self._under)

    def _said(self, width: int) -> Iterable[Row]:
        if not self.message.text:
            return
        # Of a text without end only what is shown is laid out.
        text = self.message.text if self.open else self.message.text[: FOLDED * width * 2]
        rows = [Row(spans, "said") for spans in wrapped([(text, "")], width)]
        if not self.open and (len(rows) > FOLDED or len(text) < len(self.message.text)):
            lines = self.message.text.count("\n") + 1
            del rows[FOLDED:]
            told = f"… {counted(lines, 'line')}, {len(self.message.text):,} characters; t unfolds"
            rows.append(Row([(told, "dim")], "said"))
        yield from rows

    def _thoughts(self, width: int) -> Iterable[Row]:
        message = self.message
        if not message.thought:
            return
        thinking = message.running and not message.text
        figures = message.figures
        told = []
        if figures.thought_seconds is not None:
            told.append(f"{figures.thought_seconds:.1f} s")
        count = figures.thought_tokens or (figures.generated_tokens if thinking else None)
        if count:
            told.append(counted(count, "token"))
        sign = "▾" if self.open else "▸"
        word = "thinking" if thinking else "thought"
        parts = " · ".join([word, *told])
        yield Row([(f"{sign} {parts}", "dim")])
        if self.open or thinking:
            key = (len(message.thought), width, self.open)
            if key != self._thought[0]:
                self._thought = (key, self._thought_rows(width))
            yield from self._thought[1]
        if message.text:
            yield Row([])

    def _thought_rows(self, width: int) -> list[Row]:
        text = self.message.thought.strip()
        if not self.open:
            text = text[-GLIMPSE * width :]
        rows = [
            Row([("▏ ", "dim"), *((part, "dim em") for part, _ in spans)])
            for spans in wrapped([(text, "")], width - 2)
        ]
        return rows if self.open else rows[-GLIMPSE:]

    def _ending(self, width: int) -> Iterable[Row]:
        message = self.message
        if message.running:
            if not message.text and not message.thought:
                yield Row([(waiting(message), "dim")])
            return
        if message.error:
            yield from _plain([("✗ ", "bad"), (message.error, "")], width)
        if message.hint:
            yield from _plain([("→ ", "accent"), (message.hint, "")], width)
        if word := _ended(message):
            yield from _plain([(word, "warn")], width)
        if line := figures_line(message.figures, width):
            yield Row([(line, "dim")])


class Body:
    """The rows of a text; those of its complete blocks are kept while it grows."""

    def __init__(self) -> None:
        self._document: Document | None = None
        self._width = 0
        self._done = 0
        self._rows: list[Row] = []
        self._code: tuple[Code, int, list[Row]] | None = None

    def rows(self, document: Document, width: int) -> list[Row]:
        if document is not self._document or width != self._width:
            self._document, self._width, self._done = document, width, 0
            self._rows, self._code = [], None
        for block in document.done[self._done :]:
            self._rows += _with_gap(block, rows_of(block, width))
        self._done = len(document.done)
        rows = list(self._rows)
        for block in document.growing:
            if isinstance(block, Code) and block.open:
                rows += _with_gap(block, self._growing_code(block, document, width))
            else:
                rows += _with_gap(block, rows_of(block, width))
        return rows

    def _growing_code(self, block: Code, document: Document, width: int) -> list[Row]:
        """Only new lines are coloured and laid out."""
        if self._code is None or self._code[0] is not block:
            head = [Row([(f" {block.language}", "dim")], "block")] if block.language else []
            self._code = (block, 0, head)
        _, known, rows = self._code
        for spans in coloured(block.language, block.lines, known):
            rows += code_line(spans, width)
        self._code = (block, len(block.lines), rows)
        last = document.unfinished_line
        return [*rows, *code_line([(last, "")], width)] if last else list(rows)


def _with_gap(block: Block, rows: list[Row]) -> list[Row]:
    return [Row([]), *rows] if block.gap else rows


def _plain(spans: list[Span], width: int) -> list[Row]:
    return [Row(row) for row in wrapped(spans, width)]


def waiting(message: Message) -> str:
    """What an answer of which nothing came yet waits for."""
    if message.progress:
        done, total = message.progress
        return f"reading the prompt: {done:,} of {total:,} tokens, {done / max(total, 1):.0%}"
    return {"reading": "reading the prompt …", "waiting": "waiting for its turn …"}.get(
        message.stage, f"{message.stage or 'beginning'} …"
    )


def _ended(message: Message) -> str:
    again = "c continues, r answers again" if message.text else "r answers again"
    if message.state == "stopped":
        return f"stopped · {again}"
    if message.state == "cut":
        return again
    if message.state == "failed":
        if message.cause == "context":
            return "r chooses what to leave out · ctrl+n begins anew"
        return again if message.text else "r tries again"
    if message.state == "length":
        if message.cause == "context":
            return "the context is full · z goes on from a summary, ctrl+n begins anew"
        if not message.text:
            return "it only thought, as long as is allowed · s allows more, r answers again"
        return "the longest answer that is allowed · c continues"
    return ""


def figures_line(figures: Figures, width: int) -> str:
    """What it took, as much as there is room for; the most telling first."""
    parts = []
    if figures.speed:
        parts.append(f"{figures.speed:.1f} tok/s")
    if figures.generated_tokens is not None:
        parts.append(counted(figures.generated_tokens, "token"))
    if figures.first_token is not None:
        parts.append(f"first after {figures.first_token:.2f} s")
    if figures.prompt_tokens is not None:
        prompt = f"prompt {figures.prompt_tokens:,}"
        if figures.cached_tokens:
            prompt += f" ({figures.cached_tokens:,} cached)"
        parts.append(prompt)
    if figures.prompt_speed:
        parts.append(f"read at {figures.prompt_speed:,.0f} tok/s")
    if figures.used is not None and figures.context:
        share = figures.used / figures.context
        parts.append(f"context {share:.0%} of {tokens(figures.context)}")
    while parts and len(" · ".join(parts)) > width:
        parts.pop()
    return " · ".join(parts)
