"""For terminals without Unicode: every cell that is drawn gets a plain stand-in of its width."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_PLAIN = {
    "█": "#", "▓": "=", "▒": "+", "░": ":", "▐": "#", "▌": "#", "━": "=", "─": "-", "│": "|",
    "╸": "=", "╺": "=", "▏": "|", "▎": "|", "▍": "|", "●": "*", "○": "o", "◐": "o", "◌": ".",
    "✓": "+", "✗": "x", "×": "x", "▲": "^", "▼": "v", "▸": ">", "▾": "v", "→": ">", "←": "<",
    "↑": "^", "↓": "v", "…": "~", "·": ".", "•": "*", "–": "-", "—": "-", "‘": "'", "’": "'",
    "“": '"', "”": '"', "⚠": "!", "≥": ">", "≤": "<", "±": "~", "▁": "_", "▂": "_", "▃": "=",
    "▄": "=", "▅": "=", "▆": "#", "▇": "#", "▔": "-", "▕": "|", "╭": "+", "╮": "+", "╰": "+",
    "╯": "+", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "▀": "-", "␊": "|",
    "┼": "+", "‖": "=",
}  # fmt: skip
_PLAIN |= {chr(0x2800 + dots): " .:#"[min(dots.bit_count() // 2, 3)] for dots in range(256)}


class Plain(LineFilter):
    """Puts ASCII in the place of everything else, cell for cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(plain(segment.text), segment.style)
            for segment in segments
        ]


def plain(text: str) -> str:
    """The text in ASCII, as wide as it was."""
    return "".join(
        letter if letter.isascii() else _PLAIN.get(letter, "?" * cell_len(letter))
        for letter in text
    )


def needs_plain(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal cannot be trusted with Unicode, as its locale says."""
    given = os.environ if environment is None else environment
    if given.get("TERM", "") in ("linux", "vt100", "vt220", "ansi", "cons25", "dumb"):
        return True
    locale = given.get("LC_ALL") or given.get("LC_CTYPE") or given.get("LANG") or ""
    if locale == "C.UTF-8" and given.get("LANG") in ("C", "POSIX"):
        locale = given["LANG"]  # Python itself put the other one in its place
    return "utf" not in locale.lower() and bool(locale)
