"""The frame of the UI, on the terminal before anything heavy is imported."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Mapping
from typing import Any

from llm_studio.tui import colours

TABS = ("1 Models", "2 Monitor", "3 Logs", "4 Chat", "5 Bench", "6 Agents")

_modes: list[Any] | None = None
"""The terminal's modes before the skeleton took it over."""


def taken_over() -> list[Any] | None:
    """The modes that the terminal had before the skeleton was painted, if it was."""
    return _modes


def paint(theme: str) -> None:
    """Take the terminal over and draw header, tabs and footer. Keys typed meanwhile are kept."""
    global _modes
    _modes = termios.tcgetattr(sys.stdin.fileno())
    quiet = termios.tcgetattr(sys.stdin.fileno())
    quiet[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, quiet)
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    _write(f"\x1b[?1049h\x1b[?25l{drawing(theme, columns, rows)}")


def clear() -> None:
    """Give the terminal back as it was, where the UI did not come to do that."""
    global _modes
    if _modes is not None:
        _write("\x1b[m\x1b[?1049l\x1b[?25h")
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, _modes)
        _modes = None


def drawing(theme: str, columns: int, rows: int) -> str:
    """The skeleton as escape sequences."""
    palette = {"dark": colours.DARK, "light": colours.LIGHT}.get(theme, {})
    ground = _colours(palette, "text", "background")
    header = _colours(palette, "text", "panel")
    tabs = "  ".join(TABS)[: columns - 1]
    parts = [
        f"\x1b[0{header}m\x1b[H{' llm-studio'[:columns]:<{columns}}",
        f"\x1b[0{ground}m",
        *(f"\x1b[{row}H{' ' * columns}" for row in range(2, rows)),
        f"\x1b[2H{f' {tabs}':<{columns}}",
        f"\x1b[0{header}m\x1b[{rows}H{' ' * columns}",
        "\x1b[m\x1b[H",
    ]
    return "".join(parts)


def _colours(palette: Mapping[str, str], front: str, back: str) -> str:
    if not palette:
        return ""
    return f";38;2;{_rgb(palette[front])};48;2;{_rgb(palette[back])}"


def _rgb(hexadecimal: str) -> str:
    return ";".join(str(int(hexadecimal[at : at + 2], 16)) for at in (1, 3, 5))


def _write(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
