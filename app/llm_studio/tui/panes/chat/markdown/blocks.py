"""What a Markdown text consists of, flat: each block knows what stands before its lines."""

from __future__ import annotations

from dataclasses import dataclass, field

Span = tuple[str, str]
"""Some text and its style: names like "strong" or "code", separated by spaces."""


@dataclass(slots=True)
class Block:
    """A block and its surroundings: `first` stands before its first row, `rest` before others."""

    first: tuple[Span, ...] = ()
    rest: tuple[Span, ...] = ()
    gap: bool = True
    """Whether an empty row is above it."""


@dataclass(slots=True)
class Words(Block):
    """A paragraph or a heading; a newline in a span is a new row."""

    spans: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Code(Block):
    """Lines that are shown as they are."""

    language: str = ""
    lines: list[str] = field(default_factory=list)
    open: bool = False
    """Whether more lines may come."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(slots=True)
class Table(Block):
    """Rows of cells, the first of them the titles."""

    rows: list[list[list[Span]]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Rule(Block):
    """A line from edge to edge."""
