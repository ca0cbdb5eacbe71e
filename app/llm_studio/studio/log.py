"""The studio's log: every line numbered, the newest in memory, all of it in rotated files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TextIO

from llm_studio.text import untrusted

Source = Literal["engine", "studio", "gateway"]
Level = Literal["error", "warning", "info", "debug"]

MAX_LINES = 50_000
MAX_BYTES = 16 << 20
FILE_SIZE = 16 << 20
FILES = 4
FLUSH = 1.0


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
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._last = 0
        self._waiters: set[asyncio.Event] = set()
        self._files = _Files(folder) if folder else None

    @property
    def last(self) -> int:
        return self._last

    def add(
        self, text: str, *, source: Source = "studio", level: Level = "info", at: float = 0.0
    ) -> None:
        self.extend([(text, level, at)], source=source)

    def extend(self, lines: Iterable[tuple[str, Level, float]], *, source: Source) -> None:
        """Many lines at once: an engine that chatters costs little."""
        written = []
        for text, level, at in lines:
            self._last += 1
            safe = untrusted(text).replace("\n", "␊")
            line = LogLine(self._last, at or time.time(), source, level, safe)
            self._lines.append(line)
            self._bytes += len(safe)
            written.append(line)
        while self._lines and (len(self._lines) > MAX_LINES or self._bytes > MAX_BYTES):
            self._bytes -= len(self._lines.popleft().text)
        if self._files:
            self._files.write(written)
        for waiter in self._waiters:
            waiter.set()

    def since(self, seq: int, limit: int = 2000) -> Page:
        """Up to `limit` lines after a number; a negative one counts from the end."""
        if seq < 0:
            seq = max(self._last + seq, 0)
        first = self._lines[0].seq if self._lines else self._last + 1
        start = max(seq + 1, first)
        lines = tuple(islice(self._lines, start - first, start - first + limit))
        return Page(lines, max(first - seq - 1, 0), lines[-1].seq if lines else max(seq, start - 1))

    async def changed(self, seq: int, limit: float) -> None:
        """Returns when there are lines after the number, or the time is up."""
        if self._last > seq:
            return
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waiter.wait(), limit)
        finally:
            self._waiters.discard(waiter)

    def close(self) -> None:
        if self._files:
            self._files.close()


class _Files:
    """Appends to a file, and starts a new one when it is full. A full disk stops no server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None
        self._size = 0
        self._flushed = 0.0
        self.lost = 0

    def write(self, lines: list[LogLine]) -> None:
        text = "".join(
            f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(line.time))}Z "
            f"{line.source} {line.level} {line.text}\n"
            for line in lines
        )
        try:
            if self._file is None or self._size > FILE_SIZE:
                self._rotate()
            assert self._file is not None
            self._file.write(text)
            self._size += len(text)
            if time.monotonic() - self._flushed > FLUSH:
                self._file.flush()
                self._flushed = time.monotonic()
        except OSError:
            self.lost += len(lines)

    def _rotate(self) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "studio.log"
        if path.exists() and path.stat().st_size > FILE_SIZE:
            for number in range(FILES - 1, 0, -1):
                older = self._folder / f"studio.log.{number}"
                newer = self._folder / f"studio.log.{number - 1}" if number > 1 else path
                with contextlib.suppress(FileNotFoundError):
                    os.replace(newer, older)
        self._file = open(path, "a", encoding="utf-8", errors="replace")  # noqa: SIM115
        os.chmod(path, 0o600)
        self._size = path.stat().st_size

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
