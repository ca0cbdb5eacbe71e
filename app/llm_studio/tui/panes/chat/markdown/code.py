"""Colours for code, by Pygments."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

from llm_studio.tui.panes.chat.markdown.blocks import Span

LONGEST = 400_000
"""Characters of code that are coloured; beyond that it is shown plain."""
BEFORE = 30
"""Lines before new ones that are read again, so that a text over lines is seen as one."""
_STYLES: dict[_TokenType, str] = {
    Token.Comment: "comment",
    Token.Comment.Preproc: "keyword",
    Token.Keyword: "keyword",
    Token.Keyword.Type: "name",
    Token.Operator.Word: "keyword",
    Token.Name.Builtin: "name",
    Token.Name.Class: "name",
    Token.Name.Decorator: "name",
    Token.Name.Exception: "name",
    Token.Name.Function: "name",
    Token.Name.Tag: "keyword",
    Token.Name.Attribute: "name",
    Token.Literal.Number: "number",
    Token.Literal.String: "string",
    Token.Literal.String.Doc: "comment",
    Token.Generic.Deleted: "bad",
    Token.Generic.Inserted: "string",
    Token.Generic.Heading: "name",
    Token.Generic.Subheading: "name",
}


@lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    try:
        found: Lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    return found


@lru_cache(maxsize=256)
def _style(kind: _TokenType) -> str:
    while kind is not Token:
        if kind in _STYLES:
            return _STYLES[kind]
        assert kind.parent is not None
        kind = kind.parent
    return ""


def coloured(language: str, lines: list[str], start: int = 0) -> list[list[Span]]:
    """The lines from `start` on, as spans."""
    lexer = _lexer(language.lower()) if language else None
    begin = max(start - BEFORE, 0) if start else 0
    text = "\n".join(lines[begin:])
    if lexer is None or len(text) > LONGEST:
        return [[(line, "")] for line in lines[start:]]
    rows: list[list[Span]] = [[]]
    for span in _spans(lexer, text):
        first, *others = span[0].split("\n")
        if first:
            rows[-1].append((first, span[1]))
        rows += [[(part, span[1])] if part else [] for part in others]
    rows += [[] for _ in range(len(lines) - begin - len(rows))]
    return rows[start - begin : len(lines) - begin]


def _spans(lexer: Lexer, text: str) -> Iterable[Span]:
    for kind, value in lexer.get_tokens(text):
        yield value, _style(kind)
