"""Docker's log records as lines, and the mark after which to go on reading.

A mark is `<nanoseconds>:<count>`: the time of the last record, and how many records of that
time were read. Docker can be asked for records since a time, which repeats those.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass

from llm_studio.engines.base import RawLine

LIMIT = 64 << 10
"""Longer lines are cut, and say so."""
PIECE = 16 << 10
"""Where Docker cuts a line in pieces."""
_NOTE = 64
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):?(\d\d))"
)
_MARK = re.compile(r"(\d{1,20}):(\d{1,9})")
_second: tuple[str, int] = ("", 0)


def nanoseconds(stamp: str) -> int:
    """The time that Docker writes, since 1970; nothing is 0."""
    match = _STAMP.fullmatch(stamp)
    if not match:
        return 0
    moment, fraction, sign, hours, minutes = match.groups()
    seconds = _seconds(moment)
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    return max(seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0")), 0)


def _seconds(moment: str) -> int:
    """Lines come many to the second, so the last one is kept."""
    global _second
    known, seconds = _second
    if known != moment:
        try:
            seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))
        except ValueError:
            return 0
        _second = (moment, seconds)
    return seconds


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log was read."""

    time: int = 0
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> Mark:
        match = _MARK.fullmatch(text)
        return cls(int(match[1]), int(match[2])) if match else cls()

    def __str__(self) -> str:
        return f"{self.time}:{self.count}"

    @property
    def since(self) -> float | None:
        """What to ask Docker for: a little earlier, since a float is not that exact."""
        return max(self.time // 1000 - 1, 1) / 1e6 if self.time else None


class Assembler:
    """Joins the pieces of long lines, and leaves out what is before the mark.

    The pieces of one line bear one time, and all but the last are full.
    """

    def __init__(self, mark: Mark) -> None:
        self._until = mark
        self._resuming = mark.time > 0
        self._skipped = 0
        self._last = mark
        self._begun = b""
        self._size = 0
        self._open = False

    def take(self, record: bytes) -> list[RawLine]:
        """The lines that this record ends; it may show that the one before has ended too."""
        stamp, space, text = record.partition(b" ")
        moment = nanoseconds(stamp.decode("ascii", "replace")) if space else 0
        if not moment:
            moment, text = self._last.time, record
        if self._resuming and self._known(moment):
            return []
        lines = []
        if self._open and moment != self._last.time:
            lines.append(self._line())
        count = self._last.count + 1 if moment == self._last.time else 1
        self._last = Mark(moment, count)
        self._open = True
        self._size += len(text.removesuffix(b"\n"))
        if len(self._begun) <= LIMIT:
            self._begun += text
        # The driver `local` of some versions forgets the newline after the last piece.
        if text.endswith(b"\n") or len(text) != PIECE:
            lines.append(self._line())
        return lines

    def rest(self) -> RawLine | None:
        """What was written without the end of a line, when nothing more can come."""
        return self._line() if self._open else None

    def _known(self, moment: int) -> bool:
        if moment < self._until.time:
            return True
        if moment == self._until.time and self._skipped < self._until.count:
            self._skipped += 1
            return True
        self._resuming = False
        return False

    def _line(self) -> RawLine:
        raw, size = self._begun, self._size
        self._begun, self._size, self._open = b"", 0, False
        if size > LIMIT:
            text = raw[: LIMIT - _NOTE].decode("utf-8", "replace") + f"… ({size} bytes)"
        else:
            text = raw.removesuffix(b"\n").decode("utf-8", "replace")
        return RawLine(text, self._last.time / 1e9, str(self._last))
