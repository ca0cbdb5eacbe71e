"""Reads Markdown with markdown-it, and flattens what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin

from llm_studio.tui.panes.chat.markdown.blocks import Block, Code, Rule, Span, Table, Words

BULLETS = "•◦▪"
_MARKS = {"strong": "strong", "em": "em", "s": "struck", "link": "link"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a text that nothing after it can change, and the line where it begins."""

    line: int
    blocks: tuple[Block, ...]
    item: bool = False
    """Whether it is an item of a list: those stand closer together."""


@cache
def _parser() -> MarkdownIt:
    # Math first: its underscores and backslashes mean nothing to Markdown.
    return (
        MarkdownIt("commonmark", {"html": False, "breaks": True})
        .enable(["table", "strikethrough"])
        .use(dollarmath_plugin, allow_space=False, allow_digits=False)
        .use(texmath_plugin, delimiters="brackets")
    )


def read(text: str) -> list[Unit]:
    """The units of a text, in their order."""
    found: list[Unit] = []
    tokens = _parser().parse(text)
    at = 0
    while at < len(tokens):
        end = _end_of(tokens, at)
        token = tokens[at]
        line = token.map[0] if token.map else 0
        if token.type in ("bullet_list_open", "ordered_list_open"):
            inner = at + 1
            while inner < end - 1:
                stop = _end_of(tokens, inner)
                item = tokens[inner]
                blocks = _item(tokens[inner + 1 : stop - 1], item, 0, (), ())
                found.append(Unit(item.map[0] if item.map else line, tuple(blocks), True))
                inner = stop
        elif blocks := list(_blocks(tokens[at:end], 0, (), ())):
            found.append(Unit(line, tuple(blocks)))
        at = end
    return found


def _end_of(tokens: Sequence[Token], at: int) -> int:
    """The place after a token and everything in it."""
    depth = 0
    while True:
        depth += tokens[at].nesting
        at += 1
        if depth <= 0 or at >= len(tokens):
            return at


Prefix = tuple[Span, ...]


def _item(
    tokens: Sequence[Token], opened: Token, depth: int, first: Prefix, rest: Prefix
) -> list[Block]:
    """An item: its mark before its first row, and blanks before the others."""
    mark = f"{opened.info}{opened.markup} " if opened.info else f"{BULLETS[min(depth, 2)]} "
    blocks = list(
        _blocks(tokens, depth + 1, (*first, (mark, "dim")), (*rest, (" " * len(mark), "")))
    )
    return blocks or [Words((*first, (mark, "dim")), rest, False)]


def _blocks(tokens: Sequence[Token], depth: int, first: Prefix, rest: Prefix) -> Iterator[Block]:
    at = 0
    while at < len(tokens):
        end = _end_of(tokens, at)
        for block in _block(tokens[at:end], depth, first, rest):
            if at == 0 and depth:
                block.gap = False  # what an item begins with is on the mark's own row
            yield block
            first = rest
        at = end


def _block(tokens: Sequence[Token], depth: int, first: Prefix, rest: Prefix) -> Iterator[Block]:
    token = tokens[0]
    kind = token.type
    if kind == "paragraph_open":
        yield Words(first, rest, not token.hidden, _inline(tokens[1]))
    elif kind == "heading_open":
        level = "title" if token.tag in ("h1", "h2") else "heading"
        yield Words(first, rest, True, _inline(tokens[1], level))
    elif kind in ("fence", "code_block"):
        language = token.info.split()[0] if token.info.split() else ""
        lines = token.content.removesuffix("\n").split("\n") if token.content else []
        yield Code(first, rest, True, language, lines)
    elif kind == "blockquote_open":
        bar: Prefix = (("▏ ", "dim"),)
        yield from _blocks(tokens[1:-1], depth, (*first, *bar), (*rest, *bar))
    elif kind in ("bullet_list_open", "ordered_list_open"):
        at = 1
        while at < len(tokens) - 1:
            end = _end_of(tokens, at)
            for block in _item(tokens[at + 1 : end - 1], tokens[at], depth, first, rest):
                if at == 1 and not depth:
                    block.gap = True
                yield block
                first = rest
            at = end
    elif kind == "hr":
        yield Rule(first, rest)
    elif kind == "table_open":
        yield _table(tokens, first, rest)
    elif kind.startswith("math_block"):
        yield Words(first, rest, True, [(token.content.strip("\n"), "math")])
    elif token.content:
        yield Words(first, rest, True, [(token.content.rstrip("\n"), "")])


def _table(tokens: Sequence[Token], first: Prefix, rest: Prefix) -> Table:
    table = Table(first, rest, True)
    for at, token in enumerate(tokens):
        if token.type == "tr_open":
            table.rows.append([])
        elif token.type in ("th_open", "td_open"):
            if len(table.rows) == 1:
                table.right.append("right" in str(token.attrs.get("style", "")))
            table.rows[-1].append(_inline(tokens[at + 1], "strong" if token.tag == "th" else ""))
    return table


def _inline(token: Token, style: str = "") -> list[Span]:
    """The spans of a line of text."""
    spans: list[Span] = []
    marks = [style] if style else []
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        held = " ".join(marks)
        if child.type == "text":
            spans.append((child.content, held))
        elif child.type in ("softbreak", "hardbreak"):
            spans.append(("\n", held))
        elif child.type == "code_inline":
            spans.append((child.content, f"{held} code".strip()))
        elif child.type.startswith("math"):
            spans.append((child.markup + child.content + _closing(child.markup), "math"))
        elif child.type == "image":
            spans.append((f"[picture: {child.content or child.attrs.get('src', '')}]", held))
        elif child.type == "link_open":
            links.append((str(child.attrs.get("href", "")), len(spans)))
            marks.append("link")
        elif child.type == "link_close" and links:
            marks.remove("link")
            href, begun = links.pop()
            if href and href not in "".join(text for text, _ in spans[begun:]):
                spans.append((f" ({href})", "dim"))
        elif child.nesting > 0:
            marks.append(_MARKS.get(child.tag, ""))
        elif child.nesting < 0 and _MARKS.get(child.tag, "") in marks:
            marks.remove(_MARKS.get(child.tag, ""))
        elif child.content:
            spans.append((child.content, held))
    return [span for span in spans if span[0]]


def _closing(markup: str) -> str:
    return {"\\(": "\\)", "\\[": "\\]"}.get(markup, markup)
