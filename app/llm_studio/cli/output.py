"""What commands print: results on stdout, everything else on stderr, colour only on a terminal."""

from __future__ import annotations

import os
import sys

from llm_studio.errors import StudioError
from llm_studio.text import escaped, untrusted, untrusted_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def coloured(stream: TextIO) -> bool:
    """Whether the stream shows colour: a terminal, and nobody asked for none."""
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    stream = sys.stdout if stream is None else stream
    if not style or not coloured(stream):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def print_json(data: Any) -> None:
    import json

    print(escaped(json.dumps(_finite(data), indent=2, ensure_ascii=not _is_utf8(sys.stdout))))


def _finite(data: Any) -> Any:
    """The data with numbers that JSON lacks (not a number, infinity) as null."""
    if isinstance(data, float):
        return data if abs(data) < float("inf") else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def say(text: str = "") -> None:
    """A line of results."""
    print(_encodable(text, sys.stdout))


def say_wrapped(text: str, indent: str = "", mark: str = "", style: str = "") -> None:
    """A sentence of results, broken to the terminal's width, behind a mark with a style."""
    for line in _marked(text, indent, mark, style, sys.stdout):
        say(line)


def narrate(text: str) -> None:
    """A line about what is going on, for people only."""
    print(_encodable(text, sys.stderr), file=sys.stderr)


def narrate_wrapped(text: str, mark: str = "", style: str = "") -> None:
    """The same about what is going on."""
    for line in _marked(text, "  ", mark, style, sys.stderr):
        narrate(line)


def _marked(text: str, indent: str, mark: str, style: str, stream: TextIO) -> Iterator[str]:
    for line in _wrapped(untrusted_line(mark + text, limit=1000), stream, "", indent):
        yield styled(mark, style, stream) + line.removeprefix(mark) if mark else line
        mark = ""


def report(error: StudioError) -> None:
    """A failure: what happened, why, and what to do."""
    narrate(f"{styled('error:', 'red', sys.stderr)} {untrusted(error.what)}")
    for reason in untrusted(error.why).splitlines():
        for line in _wrapped(reason, sys.stderr, "  ", "  "):
            narrate(line)
    for number, line in enumerate(_wrapped(untrusted(error.hint), sys.stderr, "", "")):
        arrow = " " if number else styled("→", "cyan", sys.stderr)
        narrate(f"  {arrow} {line}")


def _wrapped(text: str, stream: TextIO, first: str, further: str) -> list[str]:
    """A sentence as lines of the terminal's width; whole where nobody reads it there."""
    if not stream.isatty():
        return [first + text] if text else []
    import shutil
    from textwrap import wrap

    width = max(min(shutil.get_terminal_size((80, 24)).columns, 100) - 4, 20)
    return wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_on_hyphens=False,
        break_long_words=False,
    )


class Column:
    """A column of a table; a flexible one gives up width first."""

    __slots__ = ("flexible", "right", "title")

    def __init__(self, title: str, right: bool = False, flexible: bool = False) -> None:
        self.title = title
        self.right = right
        self.flexible = flexible


class Cell:
    """Text that may come from anywhere, and its style."""

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self.style = style


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]) -> None:
    """Rows in aligned columns within the terminal's width; in a pipe, tabs between the values."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():  # for other programs: no alignment to take apart again
        for row in [[Cell(column.title) for column in columns], *cells]:
            say("\t".join(cell.text for cell in row))
        return
    widths = [
        max([_width(column.title), *(_width(row[index].text) for row in cells)])
        for index, column in enumerate(columns)
    ]
    excess = sum(widths) + 2 * (len(widths) - 1) - _terminal_width()
    for index, column in enumerate(columns):
        if column.flexible and excess > 0:
            cut = min(excess, max(widths[index] - 8, 0))
            widths[index] -= cut
            excess -= cut
    say(_line(columns, [Cell(column.title, "dim") for column in columns], widths))
    for row in cells:
        say(_line(columns, row, widths))


def _cell(value: Cell | str) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return Cell(untrusted_line(cell.text), cell.style)


def _line(columns: Sequence[Column], cells: Sequence[Cell], widths: Sequence[int]) -> str:
    parts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        text = _cut(cell.text, width)
        padding = " " * (width - _width(text))
        text = styled(text, cell.style)
        parts.append(padding + text if column.right else text + padding)
    return "  ".join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _width(text: str) -> int:
    """Columns on a terminal; ASCII, by far the most, needs no look-up."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 10_000


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


_PLAIN = str.maketrans({"…": "...", "→": "->", "—": "-", "·": "|", "✓": "+", "×": "x"})


def _encodable(text: str, stream: TextIO) -> str:
    """The text, without what the stream's encoding cannot hold."""
    if _is_utf8(stream):
        return text.encode("utf-8", "replace").decode()
    encoding = stream.encoding or "ascii"
    return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)


def size(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def tokens(count: int) -> str:
    """Tokens of context: `128K` where it is a round number, else in full."""
    if count and count % 1024 == 0:
        return f"{count // 1024}K"
    return f"{count:,}"
