"""The frame of the UI, on the terminal before anything heavy is imported."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Mapping
from typing import Any

from llm_studio.tui import colours
from llm_studio.tui.output.abilities import abilities

TABS = {
    "models": "1 Models",
    "monitor": "2 Monitor",
    "logs": "3 Logs",
    "chat": "4 Chat",
    "bench": "5 Bench",
    "agents": "6 Agents",
}
"""The panes by their folders, as the tabs will name them. To import them would take too long."""
_PANES = os.path.join(os.path.dirname(__file__), "panes")

_modes: list[Any] | None = None
"""The terminal's modes before the skeleton took it over."""


def paint(theme: str, environment: Mapping[str, str]) -> None:
    """Take the terminal over and draw header and tabs. Keys typed meanwhile are kept."""
    global _modes
    columns, rows = _size(environment)
    before = termios.tcgetattr(sys.stdin.fileno())
    quiet = list(before)
    quiet[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    _modes = before
    termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, quiet)
    palette = {"dark": colours.DARK, "light": colours.LIGHT}.get(theme)
    pens = Pens(palette, true_colour=environment.get("COLORTERM") in ("truecolor", "24bit"))
    erases = palette is None or abilities(environment).erases_in_colour
    _write(f"\x1b[?1049h\x1b[?25l{drawing(pens, columns, rows, erases=erases)}")


def hand_over() -> list[Any] | None:
    """The UI draws from now on: the modes that the terminal had, if the skeleton changed them."""
    global _modes
    modes, _modes = _modes, None
    return modes


def clear() -> None:
    """Give the terminal back as it was, if the UI did not come to take it."""
    modes = hand_over()
    if modes is not None:
        _write("\x1b[m\x1b[?1049l\x1b[?25h")
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)


class Pens:
    """The few looks of the skeleton, in as many colours as the terminal has."""

    def __init__(self, palette: Mapping[str, str] | None, *, true_colour: bool) -> None:
        def colour(code: int, role: str) -> str:
            if palette is None:
                return ""
            rgb = [int(palette[role][at : at + 2], 16) for at in (1, 3, 5)]
            if true_colour:
                return f";{code};2;{rgb[0]};{rgb[1]};{rgb[2]}"
            return f";{code};5;{_of_256(*rgb)}"

        ground = colour(48, "background")
        panel = colour(48, "panel")
        dim = colour(38, "dim") if palette else ";2"
        self.ground = f"\x1b[0{colour(38, 'text')}{ground}m"
        self.name = f"\x1b[0;1{colour(38, 'text')}{panel}m"
        self.header = f"\x1b[0{dim}{panel}m"
        self.chosen = f"\x1b[0;1;7{colour(38, 'accent') or ';36'}{ground}m"
        self.tab = f"\x1b[0{dim}{ground}m"


def drawing(pens: Pens, columns: int, rows: int, *, erases: bool) -> str:
    """The skeleton as escape sequences; `erases`: erased cells take the colour of the ground."""
    host = os.uname().nodename.partition(".")[0][: columns // 3]
    told = " llm-studio   connecting".ljust(columns - len(host) - 1) + host + " "
    name, header = told[: len(" llm-studio")], told[len(" llm-studio") : columns]
    parts = [pens.ground]
    if erases:
        parts.append("\x1b[2J")
    else:
        parts += [f"\x1b[{row}H{' ' * columns}" for row in range(1, rows + 1)]
    parts.append(f"\x1b[H{pens.name}{name}{pens.header}{header}")
    at, pen = 1, pens.chosen
    for folder, title in TABS.items():
        label = f" {title} "
        if at + len(label) > columns or not os.path.exists(
            os.path.join(_PANES, folder, "__init__.py")
        ):
            continue
        parts.append(f"{pen}\x1b[2;{at}H{label}")
        at, pen = at + len(label) + 1, pens.tab
    return "".join([*parts, "\x1b[m\x1b[H"])


def _size(environment: Mapping[str, str]) -> tuple[int, int]:
    """As Textual finds it: what the environment says comes before what the terminal says."""
    given = [environment.get(name, "") for name in ("COLUMNS", "LINES")]
    said = [int(text) if text.isdecimal() else 0 for text in given]
    real = os.get_terminal_size(sys.stdout.fileno())
    return said[0] or real.columns, said[1] or real.lines


def _of_256(red: int, green: int, blue: int) -> int:
    """The nearest colour of the table, as Textual chooses it."""
    from colorsys import rgb_to_hls

    _, lightness, saturation = rgb_to_hls(red / 255, green / 255, blue / 255)
    if saturation < 0.15:
        grey = round(lightness * 25)
        return 16 if grey == 0 else 231 if grey == 25 else 231 + grey
    steps = [part / 95 if part < 95 else 1 + (part - 95) / 40 for part in (red, green, blue)]
    return 16 + 36 * round(steps[0]) + 6 * round(steps[1]) + round(steps[2])


def _write(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
