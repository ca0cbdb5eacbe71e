"""A terminal, as far as a full-screen program sees one: strict, and exact about wide characters.

`clusters` says how this terminal splits text into columns; terminals disagree about that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from rich.cells import get_character_cell_size, split_graphemes

Clusters = Callable[[str], Iterable[tuple[str, int]]]

_TOKEN = re.compile(
    r"\x1b\[(?P<private>[<=>?]?)(?P<parameters>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b[P_^X](?P<string>.*?)\x1b\\"
    r"|(?P<reverse>\x1bM)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
_SHOWS_ON_A_BLANK = {"4", "5", "6", "7", "9", "21", "51", "52", "53"}
_OFF = {
    "22": {"1", "2"}, "23": {"3"}, "24": {"4", "21"}, "25": {"5", "6"}, "27": {"7"}, "28": {"8"},
    "29": {"9"}, "54": {"51", "52"}, "55": {"53"},
}  # fmt: skip


def as_textual_counts(text: str) -> Iterator[tuple[str, int]]:
    for start, end, width in split_graphemes(text)[0]:
        yield text[start:end], width


def one_by_one(text: str) -> Iterator[tuple[str, int]]:
    """A terminal that joins nothing: each character of an emoji sequence is drawn by itself."""
    for letter in text:
        yield letter, get_character_cell_size(letter)


def all_emoji_narrow(text: str) -> Iterator[tuple[str, int]]:
    """A terminal that is older than emoji."""
    for letter in text:
        width = get_character_cell_size(letter)
        yield letter, min(width, 1) if ord(letter) >= 0x1F000 and ord(letter) < 0x20000 else width


@dataclass(frozen=True)
class Look:
    attributes: frozenset[str] = frozenset()
    front: str = ""
    back: str = ""
    link: str = ""


@dataclass(frozen=True)
class Cell:
    text: str = " "
    look: Look = field(default_factory=Look)

    @property
    def seen(self) -> Cell:
        """The cell with all that cannot be seen on it left out."""
        if self.text == " " and not self.look.link:
            shown = self.look.attributes & _SHOWS_ON_A_BLANK
            front = self.look.front if shown else ""
            kept = self.look.attributes if shown else frozenset()
            return Cell(" ", Look(kept, front, self.look.back))
        return self


class Terminal:
    def __init__(
        self,
        width: int,
        height: int,
        *,
        clusters: Clusters = as_textual_counts,
        erases_in_colour: bool = True,
        strict: bool = True,
    ) -> None:
        self.width = width
        self.height = height
        self.clusters = clusters
        self.erases_in_colour = erases_in_colour
        self.strict = strict
        self.cells = [[Cell("?")] * width for _ in range(height)]
        self.x = self.y = 0
        self.top, self.bottom, self.margins = 0, height - 1, False
        self.look = Look()
        self.other: list[str] = []
        """All that was written and draws nothing, in order."""
        self.received = 0
        self._pending = ""
        self._last = ""

    def resize(self, width: int, height: int) -> None:
        """What is outside is gone; what comes is not clean: the program has to draw it."""
        self.cells = [
            [
                self.cells[y][x] if y < self.height and x < self.width else Cell("?")
                for x in range(width)
            ]
            for y in range(height)
        ]
        self.width, self.height = width, height
        self.top, self.bottom = 0, height - 1
        self.x, self.y = min(self.x, width - 1), min(self.y, height - 1)

    def feed(self, text: str) -> None:
        self.received += len(text.encode())
        text = self._pending + text
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                break
            self._token(match)
            at = match.end()
        self._pending = text[at:]

    def lines(self) -> list[str]:
        return ["".join(cell.text for cell in row) for row in self.cells]

    def seen(self) -> list[list[Cell]]:
        return [[cell.seen for cell in row] for row in self.cells]

    def _token(self, match: re.Match[str]) -> None:
        if match["text"]:
            for cluster, width in self.clusters(match["text"]):
                self._draw(cluster, width)
        elif match["reverse"]:
            self._index(back=True)
        elif match["control"]:
            self._control(match["control"])
        elif match["final"]:
            self._sequence(match)
        elif match["osc"] is not None and match["osc"].startswith("8;"):
            self.look = replace(self.look, link=match["osc"].split(";", 2)[2])
        else:
            self.other.append(match.group())

    def _draw(self, cluster: str, width: int) -> None:
        row = self.cells[self.y]
        if not width:
            at = self.x - 1
            while at > 0 and row[at].text == "":
                at -= 1
            if at >= 0:
                row[at] = replace(row[at], text=row[at].text + cluster)
            return
        if self.x + width > self.width:
            if self.strict:
                raise AssertionError(f"{cluster!r} does not fit at column {self.x}")
            return
        self._put(self.x, [cluster, *[""] * (width - 1)])
        self.x += width
        self._last = cluster

    def _put(self, x: int, texts: list[str], look: Look | None = None) -> None:
        row = self.cells[self.y]
        end = x + len(texts)
        if row[x].text == "":  # the right half of a wide character: its left half goes too
            left = x
            while row[left].text == "":
                left -= 1
            for at in range(left, x):
                row[at] = replace(row[at], text=" ")
        right = end
        while right < self.width and row[right].text == "":
            row[right] = replace(row[right], text=" ")
            right += 1
        for at, text in enumerate(texts, x):
            row[at] = Cell(text, look or self.look)

    def _control(self, letter: str) -> None:
        if letter == "\r":
            self.x = 0
        elif letter == "\n":
            self._index()
        elif letter == "\b":
            self.x = max(0, self.x - 1)
        else:
            self.other.append(letter)

    def _index(self, *, back: bool = False) -> None:
        """A line feed or its reverse; between margins they scroll, and what comes is not clean."""
        edge = self.top if back else self.bottom
        if self.y != edge:
            self.y += -1 if back else 1
            return
        if self.strict and not self.margins:
            raise AssertionError("without margins the whole screen scrolls")
        free = [Cell("?")] * self.width
        lines = self.cells[self.top : self.bottom + 1]
        lines = [free, *lines[:-1]] if back else [*lines[1:], free]
        self.cells[self.top : self.bottom + 1] = lines

    def _sequence(self, match: re.Match[str]) -> None:
        if match["private"] or match["between"]:
            self.other.append(match.group())
            return
        numbers = [int(part) if part else 0 for part in match["parameters"].split(";")]
        count = numbers[0] or 1
        match match["final"]:
            case "H":
                self.y = min(count, self.height) - 1
                self.x = min((numbers[1] if len(numbers) > 1 else 0) or 1, self.width) - 1
            case "r":
                self.top = count - 1
                self.bottom = (numbers[1] if len(numbers) > 1 else self.height) - 1
                self.margins = bool(match["parameters"])
                self.x = self.y = 0
            case "A":
                self.y = max(0, self.y - count)
            case "B":
                self.y = min(self.height - 1, self.y + count)
            case "C":
                self.x = min(self.width - 1, self.x + count)
            case "D":
                self.x = max(0, min(self.x, self.width - 1) - count)
            case "G":
                self.x = min(count, self.width) - 1
            case "K" if not numbers[0]:
                self._erase(self.width - self.x)
            case "X":
                self._erase(min(count, self.width - self.x))
            case "J" if numbers[0] == 2:
                self.cells = [[Cell(" ", self._erased())] * self.width for _ in range(self.height)]
            case "b":
                for _ in range(count):
                    self._draw(self._last, 1)
            case "m":
                self._select(match["parameters"])
            case "n" | "c" | "q" | "t":
                self.other.append(match.group())
            case _:
                raise AssertionError(f"unexpected {match.group()!r}")

    def _erase(self, count: int) -> None:
        if count > 0:
            self._put(self.x, [" "] * count, self._erased())

    def _erased(self) -> Look:
        return Look(back=self.look.back) if self.erases_in_colour else Look()

    def _select(self, parameters: str) -> None:
        codes = parameters.split(";")
        at = 0
        while at < len(codes):
            code = codes[at] or "0"
            at += 1
            if code == "0":
                self.look = Look(link=self.look.link)
            elif code in ("38", "48"):
                length = 4 if codes[at] == "2" else 2
                colour = ";".join([code, *codes[at : at + length]])
                at += length
                self._colour(colour, front=code == "38")
            elif code in _OFF:
                self._attributes(self.look.attributes - _OFF[code])
            elif code in ("39", "49"):
                self._colour("", front=code == "39")
            elif 30 <= int(code) <= 37 or 90 <= int(code) <= 97:
                self._colour(code, front=True)
            elif 40 <= int(code) <= 47 or 100 <= int(code) <= 107:
                self._colour(code, front=False)
            else:
                self._attributes(self.look.attributes | {code})

    def _attributes(self, attributes: frozenset[str]) -> None:
        self.look = replace(self.look, attributes=attributes)

    def _colour(self, colour: str, *, front: bool) -> None:
        if front:
            self.look = replace(self.look, front=colour)
        else:
            self.look = replace(self.look, back=colour)
