"""Reads the log file that an engine writes: on from where it was, and never too far behind.

It is a file, so that nothing that reads can hold the engine up, or end it.
"""

from __future__ import annotations

import os
from pathlib import Path

from llm_studio.engines.base import RawLine, now

READ = 256 << 10
LONGEST = 256 << 10
"""A line that is longer comes in parts."""
BEHIND = 8 << 20
"""Bytes to read from which on the older ones are left out: the studio would not keep them."""
NEAR = 1 << 20
"""What is read of them nevertheless."""
MANY = 10_000
"""Lines that are enough for once, whatever more there is."""
LOG_LIMIT = 32 << 20
"""The file is cut when it is larger, in a moment when nothing comes."""
AT_LAST = 128 << 20
"""Without such a moment, it is cut in the midst of its lines, and that is told."""


class Tail:
    """One reader of one file. Reading blocks, so it is for a thread."""

    def __init__(self, path: Path, mark: str) -> None:
        self._path = path
        self._start = int(mark) if mark.isdecimal() else 0
        """Where in the file the line begins that `_rest` is the first part of."""
        self._rest = b""
        self._gap, self._missing = "", 0

    def read(self) -> list[RawLine]:
        """The lines that were written since; none if nothing was. Raises OSError."""
        lines: list[RawLine] = []
        with self._path.open("r+b", buffering=0) as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            if size < self._start + len(self._rest):  # somebody else has cut it
                self._start, self._rest = 0, b""
            if size - self._start > BEHIND:
                self._skip(descriptor, size - NEAR)
            while chunk := os.pread(descriptor, READ, self._start + len(self._rest)):
                lines += self._lines(chunk)
                if len(lines) > MANY or (lines and self._start < AT_LAST):
                    break
            quiet = not chunk and not lines
            if self._start >= (LOG_LIMIT if quiet else AT_LAST):
                os.ftruncate(descriptor, 0)  # the engine goes on at the beginning
                self._start = -len(self._rest)
                if not quiet:
                    self._gap = (
                        "the engine's log file was full and was cut here; "
                        "what it wrote in that instant is missing"
                    )
        return lines

    def rest(self) -> list[RawLine]:
        """The line that was begun, when nothing more can come."""
        return [self._taken(self._rest)] if self._rest else []

    def _lines(self, chunk: bytes) -> list[RawLine]:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        moment, start, lines = now(), self._start, []
        for line in whole:
            start += len(line) + 1
            lines.append(RawLine(line.decode("utf-8", "replace"), moment, str(start)))
        self._start = start
        if len(self._rest) > LONGEST:
            lines.append(self._taken(self._rest))
            self._rest = b""
        if lines and self._gap:
            first = lines[0]
            lines[0] = RawLine(first.text, first.time, first.mark, self._gap, self._missing)
            self._gap, self._missing = "", 0
        return lines

    def _taken(self, text: bytes) -> RawLine:
        self._start += len(text)
        return RawLine(text.decode("utf-8", "replace"), now(), str(self._start))

    def _skip(self, descriptor: int, target: int) -> None:
        """Go on with the first whole line after the target; those before it are counted."""
        at, skipped = self._start, 0
        while at < target:
            chunk = os.pread(descriptor, min(4 * READ, target - at), at)
            if not chunk:
                break
            skipped += chunk.count(b"\n")
            at += len(chunk)
        end = os.pread(descriptor, LONGEST, at).find(b"\n") + 1
        self._start, self._rest = at + end, b""
        self._missing += skipped + (end > 0)
        self._gap = (
            f"{self._missing} lines of the engine are left out here: "
            "it writes faster than they can be read"
        )
