"""The studio's log: every line numbered, the newest in memory, all of it in rotated files."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from llm_studio.studio.log_files import Kept, Level, LogFiles, Source
from llm_studio.studio.waiters import Waiters
from llm_studio.text import untrusted

__all__ = ["Level", "Log", "LogLine", "Page", "Source"]

MAX_LINES = 50_000
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LogLine:
    seq: int
    time: float
    source: Source
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """Lines after a number; `dropped` of them are no longer in memory."""

    lines: tuple[LogLine, ...]
    dropped: int
    last: int


class Log:
    """Takes lines in, made safe once for all, and gives them out by number."""

    def __init__(self, folder: Path | None = None) -> None:
        # Plain tuples of plain values: the garbage collector stops looking at them, where it would
        # go through 50,000 objects every few seconds while an engine chatters.
        self._lines: deque[Kept] = deque()
        self._bytes = 0
        self._last = 0
        self.gaps = self.missing = 0
        """Places where lines of an engine are missing, and how many, as far as they are known."""
        self._waiters = Waiters()
        self._files = LogFiles(folder) if folder else None

    @property
    def last(self) -> int:
        return self._last

    def add(
        self, text: str, *, source: Source = "studio", level: Level = "info", at: float = 0.0
    ) -> None:
        self.extend([(text, level, at)], source=source)

    def gap(self, why: str, lines: int) -> None:
        """Lines are missing here; how many, is 0 where nobody knows."""
        self.gaps += 1
        self.missing += lines
        self.add(why, level="warning")

    def extend(self, lines: Iterable[tuple[str, Level, float]], *, source: Source) -> None:
        """Many lines at once: an engine that chatters costs little."""
        now = time.time()
        added: list[Kept] = []
        for text, level, at in lines:
            safe = untrusted(text)
            if "\n" in safe:
                safe = safe.replace("\n", "␊")
            added.append((at or now, source, level, safe))
        size = sum([len(line[3]) for line in added])
        self._lines.extend(added)
        self._last += len(added)
        self._bytes += size
        while self._lines and (len(self._lines) > MAX_LINES or self._bytes > MAX_BYTES):
            self._bytes -= len(self._lines.popleft()[3])
        if self._files:
            self._files.write(added, size)
        self._waiters.wake()

    def since(self, seq: int, limit: int = 2000) -> Page:
        """Up to `limit` lines after a number; a negative one counts from the end."""
        if seq < 0:
            seq = max(self._last + seq, 0)
        first = self._last - len(self._lines) + 1
        start = max(seq + 1, first)
        found = islice(self._lines, start - first, start - first + limit)
        lines = tuple(LogLine(number, *line) for number, line in enumerate(found, start))
        return Page(lines, max(first - seq - 1, 0), lines[-1].seq if lines else max(seq, start - 1))

    async def changed(self, seq: int, limit: float) -> None:
        """Returns when there are lines after the number, or the time is up."""
        if self._last > seq:
            return
        await self._waiters.wait(limit)

    def close(self) -> None:
        if self._files:
            self._files.close()
