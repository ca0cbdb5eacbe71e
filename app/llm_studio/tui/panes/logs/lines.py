"""The lines that the pane holds, by number, and which of them are meant by a filter or search."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

KEPT = 60_000
"""Lines that are held; the studio keeps some more than fifty thousand."""
SPARE = 5_000
WEIGHT = 24 << 20
"""Characters that are held; the studio keeps some fewer."""
SEARCHED = 4_000
"""Characters of a line that are searched: a hostile one must not hang the pane."""


class Line(NamedTuple):
    time: float
    source: str
    level: str
    text: str


class Lines:
    """A window over the studio's log: numbers without gaps, the newest last."""

    def __init__(self) -> None:
        self.first = 1
        self.age = 0
        """Counts the restarts, after which numbers mean other lines."""
        self.whole = False
        """Whether older lines than the first are gone from the studio too."""
        self._lines: list[Line] = []
        self._weight = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def last(self) -> int:
        """The number of the newest line; one less than the first where there are none."""
        return self.first + len(self._lines) - 1

    def __getitem__(self, number: int) -> Line:
        return self._lines[number - self.first]

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def between(self, start: int, end: int) -> Iterator[tuple[int, Line]]:
        """Numbered lines from one number to before another."""
        start, end = max(start, self.first), min(end, self.last + 1)
        return zip(
            range(start, end), self._lines[start - self.first : end - self.first], strict=True
        )

    def restart(self, first: int, lines: Sequence[Line]) -> None:
        self.first, self._lines = first, list(lines)
        self._weight, self.whole = _weight(lines), False
        self.age += 1

    def append(self, lines: Sequence[Line]) -> None:
        self._lines += lines
        self._weight += _weight(lines)
        gone = len(self._lines) - KEPT if len(self._lines) > KEPT + SPARE else 0
        if self._weight > WEIGHT:  # an eighth less, since the front of a list is dear
            weight = self._weight - _weight(self._lines[:gone])
            while weight > WEIGHT - WEIGHT // 8 and gone < len(self._lines) - 1:
                weight -= len(self._lines[gone].text)
                gone += 1
        if gone:
            self._weight -= _weight(self._lines[:gone])
            del self._lines[:gone]
            self.first += gone
            self.whole = True

    def prepend(self, lines: Sequence[Line]) -> None:
        self._lines[:0] = lines
        self.first -= len(lines)
        self._weight += _weight(lines)


def _weight(lines: Sequence[Line]) -> int:
    return sum([len(line.text) for line in lines])


Meant = Callable[[Line], bool]


class Found:
    """The numbers of the lines that something means, kept up as lines come and go."""

    def __init__(self, meant: Meant) -> None:
        self._meant = meant
        self.numbers: list[int] = []
        self._from = 0
        self._to = 0
        self._age = -1

    def update(self, lines: Lines) -> None:
        """Look at the lines that are new on either end, and forget those that are gone."""
        if self._age != lines.age or self._to < lines.first:
            self.numbers, self._from, self._to = [], lines.first, lines.first
            self._age = lines.age
        if self._from < lines.first:
            del self.numbers[: bisect_left(self.numbers, lines.first)]
            self._from = lines.first
        if self._from > lines.first:
            self.numbers[:0] = self._among(lines, lines.first, self._from)
            self._from = lines.first
        if self._to <= lines.last:
            self.numbers += self._among(lines, self._to, lines.last + 1)
            self._to = lines.last + 1

    def _among(self, lines: Lines, start: int, end: int) -> list[int]:
        return [number for number, line in lines.between(start, end) if self._meant(line)]

    def before(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number)
        return self.numbers[at - 1] if at else None

    def after(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number + 1)
        return self.numbers[at] if at < len(self.numbers) else None


LEVELS = ("all", "info", "warning", "error")
_HIDDEN = {
    "all": (),
    "info": ("debug",),
    "warning": ("debug", "info"),
    "error": ("debug", "info", "warning"),
}
SOURCES = ("all", "engine", "studio", "gateway")


@dataclass(frozen=True, slots=True)
class Filter:
    """What is to be shown."""

    level: str = "all"
    source: str = "all"
    pattern: re.Pattern[str] | None = None

    def means(self, line: Line) -> bool:
        if line.level in _HIDDEN[self.level] or self.source not in ("all", line.source):
            return False
        return self.pattern is None or finds(self.pattern, line)


def finds(pattern: re.Pattern[str], line: Line) -> bool:
    return pattern.search(line.text, 0, SEARCHED) is not None


def pattern_of(text: str) -> tuple[re.Pattern[str] | None, str]:
    """A pattern as it was typed, and what is wrong with it; it is then taken word for word."""
    if not text:
        return None, ""
    flags = re.IGNORECASE if text == text.lower() else 0
    try:
        return re.compile(text, flags), ""
    except (re.error, RecursionError, OverflowError) as error:
        return re.compile(re.escape(text), flags), f"taken word for word: {error}"
