"""Rows of numbers in memory and in files: what the history is made of.

A block has its columns named once, and then a time and a 32-bit float a value: a day of 50 series
at 10 s takes 5 MB, where JSON lines would take 60. Rows are of one size, each with a checksum, so
that a damaged one costs itself alone, and a file that was cut short is written on where it ends.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROWS = 600
"""Rows of a block. The oldest rows go a block at a time."""
LARGEST_HEAD = 1 << 20
_TIME = struct.Struct("<d")
_CHECK = struct.Struct("<I")


class Damaged(Exception):
    """A file that is no block."""


class Later(Exception):
    """A file that a later release wrote, and will want to read again."""


@dataclass(slots=True)
class Block:
    """Rows with the same columns; `parts` numbers a column and row."""

    columns: tuple[str, ...]
    parts: int
    number: int
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("f"))
    saved: int = 0
    """Rows that are on disk."""
    closed: bool = False
    """Its file has gaps, so that nothing may be written behind them."""

    @property
    def width(self) -> int:
        return len(self.columns) * self.parts

    @property
    def full(self) -> bool:
        return self.closed or len(self.times) >= ROWS

    def add(self, time: float, row: Mapping[str, Sequence[float]]) -> None:
        missing = (math.nan,) * self.parts
        self.times.append(time)
        for column in self.columns:
            self.values.extend(row.get(column, missing))

    def rows(
        self, since: float = -math.inf
    ) -> Iterator[tuple[float, dict[str, tuple[float, ...]]]]:
        """Each row as it was added."""
        width, parts = self.width, self.parts
        for index, time in enumerate(self.times):
            if time < since:
                continue
            row = self.values[index * width : (index + 1) * width]
            cells = {
                column: tuple(row[at * parts : (at + 1) * parts])
                for at, column in enumerate(self.columns)
            }
            yield time, {name: cell for name, cell in cells.items() if not math.isnan(cell[0])}

    # On disk

    def head(self) -> bytes:
        told = {"version": 1, "parts": self.parts, "columns": self.columns}
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"

    def unsaved(self) -> bytes:
        """The rows that are not on disk yet, as they are written there."""
        width = self.width
        written = []
        for index in range(self.saved, len(self.times)):
            cells = self.values[index * width : (index + 1) * width]
            row = _TIME.pack(self.times[index]) + cells.tobytes()
            written.append(row + _CHECK.pack(zlib.crc32(row)))
        return b"".join(written)

    @property
    def row_size(self) -> int:
        return _TIME.size + 4 * self.width + _CHECK.size

    @classmethod
    def read(cls, path: Path, number: int, parts: int) -> Block:
        """The block in a file, without its damaged rows; raises Damaged, Later or OSError."""
        with path.open("rb") as file:
            head = file.readline(LARGEST_HEAD)
            try:
                told = json.loads(head)
                columns = tuple(told["columns"])
                version = int(told["version"])
                usable = version == 1 and told["parts"] == parts and head.endswith(b"\n")
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise Damaged(str(path)) from error
            if version > 1:
                raise Later(str(path))
            if not usable or not all(isinstance(each, str) for each in columns):
                raise Damaged(str(path))
            block = cls(columns, parts, number)
            size = block.row_size
            content = file.read(size * ROWS * 2)
        whole = range(0, len(content) - size + 1, size)
        for at in whole:
            row = content[at : at + size - _CHECK.size]
            if _CHECK.unpack_from(content, at + len(row))[0] == zlib.crc32(row):
                block.times.append(_TIME.unpack_from(row)[0])
                block.values.frombytes(row[_TIME.size :])
        block.saved = len(block.times)
        block.closed = block.saved != len(whole)
        return block


@dataclass(frozen=True, slots=True)
class Writing:
    """Rows on their way to a file."""

    path: Path
    head: bytes
    offset: int
    """After the head."""
    rows: bytes

    def do(self) -> None:
        """Write in place: whatever an earlier try left there is written over."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            content = self.rows if self.offset else self.head + self.rows
            start = len(self.head) + self.offset if self.offset else 0
            while content:
                written = os.pwrite(descriptor, content, start)
                content, start = content[written:], start + written
            os.ftruncate(descriptor, start)
        finally:
            os.close(descriptor)
