"""Characters that are drawn rather than written: bars, lines and dots meet in every font."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH, HEIGHT = 8, 17
"""Of a cell, in pixels."""
_LEFT_EIGHTHS = "▏▎▍▌▋▊▉"
_LOWER_EIGHTHS = "▁▂▃▄▅▆▇"
_SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
_ARMS = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "rud", "┤": "lud",
    "┬": "lrd", "┴": "lru", "┼": "lrud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu",
    "━": "LR", "┃": "UD", "╸": "L", "╹": "U", "╺": "R", "╻": "D",
}  # fmt: skip
"""Where a line of a box goes from the middle of the cell; capitals for heavy ones."""
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a Braille pattern."""


def drawn(letter: str) -> bool:
    return (
        letter in _ARMS
        or letter in _SHADES
        or letter in "█▀▐▔▕"
        or letter in _LEFT_EIGHTHS
        or letter in _LOWER_EIGHTHS
        or "⠀" <= letter <= "⣿"
    )


def shape(letter: str, x: int, y: int, colour: str) -> str:
    """One character as an element of SVG; its cell's corner is at x and y."""
    if letter in _SHADES:
        return _rectangle(x, y, WIDTH, HEIGHT, f'{colour}" opacity="{_SHADES[letter]}')
    if "⠀" <= letter <= "⣿":
        dots = _braille(ord(letter) - 0x2800, x, y)
        return f'<path d="{dots}" fill="{colour}"/>' if dots else ""
    if letter in _ARMS:
        return "".join(_rectangle(*arm, colour) for arm in _lines(_ARMS[letter], x, y))
    return _rectangle(*_block(letter, x, y), colour)


def _block(letter: str, x: float, y: float) -> tuple[float, float, float, float]:
    wide, tall = float(WIDTH), float(HEIGHT)
    if letter in _LEFT_EIGHTHS:
        wide *= (_LEFT_EIGHTHS.index(letter) + 1) / 8
    elif letter in "▐▕":
        wide = WIDTH / 2 if letter == "▐" else 1
        x += WIDTH - wide
    elif letter in _LOWER_EIGHTHS:
        tall *= (_LOWER_EIGHTHS.index(letter) + 1) / 8
        y += HEIGHT - tall
    elif letter in "▀▔":
        tall = HEIGHT / 2 if letter == "▀" else 2
    return x, y, wide, tall


def _lines(arms: str, x: float, y: float) -> Iterator[tuple[float, float, float, float]]:
    middle, centre = x + WIDTH / 2 - 0.5, y + HEIGHT // 2
    for arm in arms:
        thick = 2 if arm.isupper() else 1
        if arm in "lL":
            yield x, centre, WIDTH / 2, thick
        elif arm in "rR":
            yield middle, centre, WIDTH / 2 + 0.5, thick
        elif arm in "uU":
            yield middle, y, thick, centre - y + 1
        else:
            yield middle, centre, thick, y + HEIGHT - centre


def _braille(bits: int, x: int, y: int) -> str:
    points = (dot for bit, dot in enumerate(_DOTS) if bits >> bit & 1)
    return "".join(f"M{x + 1 + column * 4} {y + 1.5 + row * 4:g}h2v2h-2z" for column, row in points)


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<path d="M{x:g} {y:g}h{width:g}v{height:g}h-{width:g}z" fill="{colour}"/>'
