"""Draws a picture with blocks of two colours a cell, by the library textual-image.

It runs as a program of its own (`python drawing.py COLUMNS ROWS`, the picture on standard input):
the library asks the terminal questions as soon as it is imported, and the UI's own reading of keys
would spoil the answers; and what decodes files from anywhere has memory and time to itself.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.segment import Segment

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
MEMORY = 2 << 30
SECONDS = 20


def main(columns: int, rows: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    from PIL import Image, ImageOps
    from rich.console import Console
    from textual_image.renderable import HalfcellImage

    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as opened:
        opened.draft("RGB", (columns * 8, rows * 16))  # a large JPEG need not be decoded whole
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    ground = Image.new("RGBA", picture.size, (0x80, 0x80, 0x80, 0xFF))
    picture = Image.alpha_composite(ground, picture).convert("RGB")
    width, height = fitting(picture.size, columns, rows)
    console = Console(file=io.StringIO(), width=columns, height=rows, color_system="truecolor")
    lines = console.render_lines(HalfcellImage(picture, width, height), pad=False)
    print(json.dumps([list(_spans(line)) for line in lines]))


def fitting(size: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """Columns and rows that keep the picture's shape, a cell being twice as high as wide."""
    scale = min(columns / size[0], rows * 2 / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale / 2), 1)


def _spans(line: list[Segment]) -> Iterator[tuple[str, str]]:
    """Text and style, with neighbours of one look joined."""
    for style, same in groupby((each for each in line if each.text), lambda each: str(each.style)):
        yield "".join(each.text for each in same), style


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
