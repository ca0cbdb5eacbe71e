"""Docker's log records as lines, and the mark after which to go on reading.

A mark is `<nanoseconds>:<count>`: the time of the last record, and how many records of that
time were read. Docker can be asked for records since a time, which repeats those. When it begins
a new log file, it repeats some as well, by itself; to a reader that is a whole file behind it
gives the next file but one, without a word.
"""

from __future__ import annotations

import calendar
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from llm_studio.engines.base import RawLine

LIMIT = 64 << 10
"""Longer lines are cut, and say so."""
PIECE = 16 << 10
"""Where Docker cuts a line in pieces."""
_NOTE = 64
_UNORDERED = 50_000_000
"""Nanoseconds by which records of an engine's two outputs may come in the wrong order."""
_REMEMBERED = 5000
"""Records of such a time, at most."""
_LEAP, _LATE, _MUCH = 200_000_000, 0.1, 8 << 20
"""A leap in time is doubtful where the reader is late, and had much to read since it was not."""
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
        self._last = mark.time
        self._count = mark.count
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)
        self._begun = b""
        self._size = 0
        self._open = False
        self._second = b""
        self._base = 0
        self._since_live: int | None = None
        self._gap = ""

    def take(self, records: Iterable[bytes]) -> list[RawLine]:
        """The lines that these records end; one may show that the line before it has ended too."""
        lines: list[RawLine] = []
        for record in records:
            moment, text = self._apart(record)
            if self._resuming and self._known(moment):
                continue
            if moment < self._last and self._repeated(moment):
                continue
            if moment - self._last > _LEAP and self._last:
                self._doubt(moment)
            if self._open and moment != self._last:
                lines.append(self._line())
            if moment == self._last:
                self._count += 1
            else:
                self._last, self._count = moment, 1
            self._seen.append(moment)
            if not self._open and text[-1:] == b"\n" and not self._gap:  # nearly all are like this
                said = text[:-1].decode("utf-8", "replace")
                lines.append(RawLine(said, moment / 1e9, f"{moment}:{self._count}"))
                continue
            self._open = True
            self._size += len(text.removesuffix(b"\n"))
            if len(self._begun) <= LIMIT:
                self._begun += text
            # The driver `local` of some versions forgets the newline after the last piece.
            if text.endswith(b"\n") or len(text) != PIECE:
                lines.append(self._line())
        self._measure(lines)
        return lines

    def _apart(self, record: bytes) -> tuple[int, bytes]:
        """A record's time and its text."""
        if record[:20] == self._second and record[29:31] == b"Z ":
            return self._base + int(record[20:29]), record[31:]
        stamp, space, text = record.partition(b" ")
        moment = nanoseconds(stamp.decode("ascii", "replace")) if space else 0
        if not moment:
            return self._last, record
        if len(stamp) == 30 and stamp.endswith(b"Z"):
            self._second, self._base = stamp[:20], moment - moment % 1_000_000_000
        return moment, text

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

    def _repeated(self, moment: int) -> bool:
        """Whether Docker begins to repeat itself; then all is known till it is where it was."""
        if self._last - moment < _UNORDERED and moment not in self._seen:
            return False
        self._until, self._skipped = Mark(self._last, self._count), 0
        self._resuming = True
        return True

    def _measure(self, lines: list[RawLine]) -> None:
        if self._since_live is not None:
            self._since_live += sum([len(line.text) for line in lines])
        if lines and time.time() - lines[-1].time < _LATE:
            self._since_live = 0

    def _doubt(self, moment: int) -> None:
        """Whether what Docker kept of the log ended before it could be read."""
        late = time.time() - self._last / 1e9 > _LATE
        if late and self._since_live is not None and self._since_live > _MUCH:
            seconds = (moment - self._last) / 1e9
            self._gap = (
                f"{seconds:.2f} s of the engine's log may be missing here: "
                "it writes faster than Docker's log can be read"
            )
            self._since_live = 0

    def _line(self) -> RawLine:
        raw, size = self._begun, self._size
        self._begun, self._size, self._open = b"", 0, False
        if size > LIMIT:
            text = raw[: LIMIT - _NOTE].decode("utf-8", "replace") + f"… ({size} bytes)"
        else:
            text = raw.removesuffix(b"\n").decode("utf-8", "replace")
        gap, self._gap = self._gap, ""
        return RawLine(text, self._last / 1e9, f"{self._last}:{self._count}", gap)
