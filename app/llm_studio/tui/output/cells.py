"""From Textual's strips to cells: one character (or cluster) and one pen for each column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from rich.cells import split_graphemes
from textual.strip import Strip

from llm_studio.tui.output.pens import Pen, Pens

_NARROW = re.compile(
    "[ -~\xa0-\xac\xae-\u02ff\u0370-\u0373\u0376-\u0377\u037a-\u037f\u0384-\u0482\u048a-\u052f"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u2319\u231c-\u2328\u232b-\u23e8\u23f4-\u25fc"
    "\u25ff-\u2613\u2616-\u262f\u2638-\u2647\u2654-\u267e\u2680-\u2689\u2690-\u2692\u2694-\u26a0\u26a2-\u26a9\u2713-\u2727"
    "\u2729-\u274b\u2756\u2758-\u2794\u2798-\u27af\u27b1-\u27be\u27c0-\u2b1a\ue000-\uf8ff"
    "\U0001fb00-\U0001fbca]*"
)
"""Characters that every terminal draws in one column."""
_WIDE = (
    "[\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3001-\u3029\u3031-\u303d\u3041-\u3096\u309b-\u30ff"
    "\u3105-\u312f\u3131-\u3163\u3165-\u318e\u3190-\u31ba\u31f0-\u321e\u3220-\u3247\u3250-\u32fe"
    "\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uac00-\ud7a3\uf900-\ufa6d\ufe30-\ufe52\uff01-\uff60"
    "\uffe0-\uffe6\U00020000-\U0002fa1d]"
)
"""Characters that every terminal draws in two; `re` compiles it, which takes a while, when one of
them is met."""
_PICTURE = re.compile(r"\x1bP[0-9;]*q|\x1b_G|\x1b\]1337;File=")
_PICTURE_CELL = "\U0010eeee"
"""kitty's stand-in for a piece of a picture; only a terminal that knows it is ever sent one."""


_FLAG_LETTERS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))


class Loose(str):
    """A cluster that terminals disagree about: some draw it wider or narrower than others."""

    __slots__ = ()


Cell = str | None
"""A character; "" for the right half of a wide one; None where nobody knows what is shown."""


def holds_picture(strip: Strip) -> bool:
    """Whether the strip draws pixels (sixel, kitty, iTerm) and not text."""
    return any("\x1b" in text and _PICTURE.search(text) for text, _, _ in strip._segments)


def cells_of(strip: Strip, pens: Pens) -> tuple[list[Cell], list[Pen], bool]:
    """The columns of a strip, and whether some are loose.

    Controls are left out: text can never steer the terminal here.
    """
    characters: list[Cell] = []
    drawn: list[Pen] = []
    loose = False
    for text, style, _ in strip._segments:
        pen = pens.of(style)
        if (text.isascii() and text.isprintable()) or _NARROW.fullmatch(text):
            characters += text
            blank = pen.blank
            if blank is pen or " " not in text:
                drawn += [pen] * len(text)
            elif text.isspace():
                drawn += [blank] * len(text)
            else:
                drawn += [blank if letter == " " else pen for letter in text]
        else:
            loose = True
            for cluster, width in _clusters(text):
                if width:
                    cells = _cells(cluster, width)
                    characters += cells
                    drawn += [pen.blank if cell == " " else pen for cell in cells]
                else:
                    _join(cluster, characters)
    return characters, drawn, loose


def _clusters(text: str) -> Iterable[tuple[str, int]]:
    """What belongs together, with its columns as Textual counts them."""
    flag: tuple[str, int] | None = None
    for start, end, width in split_graphemes(text)[0]:
        cluster = text[start:end]
        if flag is not None:
            if cluster in _FLAG_LETTERS:
                yield flag[0] + cluster, flag[1] + width
                flag = None
                continue
            yield flag
        flag = (cluster, width) if cluster in _FLAG_LETTERS else None
        if flag is None:
            if not cluster.isprintable():
                cluster = "".join(letter for letter in cluster if _belongs(letter))
            yield cluster, width
    if flag is not None:
        yield flag


def _cells(cluster: str, width: int) -> list[str]:
    if not cluster:
        return [" "] * width
    certain = cluster[0] == _PICTURE_CELL or (
        len(cluster) == 1 and re.fullmatch(_NARROW if width == 1 else _WIDE, cluster)
    )
    return [cluster if certain else Loose(cluster), *[""] * (width - 1)]


def _join(cluster: str, characters: list[Cell]) -> None:
    """What has no width of its own is drawn over the cell before it."""
    at = len(characters) - 1
    while at > 0 and characters[at] == "":
        at -= 1
    if cluster and at >= 0:
        characters[at] = Loose(f"{characters[at]}{cluster}")


def _belongs(letter: str) -> bool:
    """Whether a character is part of what is drawn, and not a control or a direction."""
    return letter == "\u200d" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
