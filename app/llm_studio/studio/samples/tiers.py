"""One resolution of the history: its newest rows in memory, and on disk."""

from __future__ import annotations

import contextlib
import math
import os
import re
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_studio.studio.samples.blocks import Block, Damaged, Later, Writing

_FILE = re.compile(r"(\d{1,12})\.block")
Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """How fine a tier is, and how many rows it keeps."""

    step: int
    rows: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the rows of a block, copied out of it."""

    columns: tuple[str, ...]
    parts: int
    times: array[float]
    values: array[float]


class Tier:
    """Rows of one resolution, the newest last."""

    def __init__(self, span: Span, folder: Path | None) -> None:
        self.step = span.step
        self._keep = span.rows
        self._parts = 1 if span.step == 1 else 3
        self._folder = folder / f"{span.step}s" if folder else None
        self._blocks: deque[Block] = deque()
        self._bucket: dict[str, list[float]] = {}
        """Lowest, sum, highest and count of the span that is not over yet."""
        self._begun: float | None = None
        self._dropped: list[Path] = []

    @property
    def first(self) -> float | None:
        return next((block.times[0] for block in self._blocks if block.times), None)

    @property
    def last(self) -> float | None:
        return next((block.times[-1] for block in reversed(self._blocks) if block.times), None)

    @property
    def names(self) -> set[str]:
        return {name for block in self._blocks for name in block.columns}

    def take(self, time: float, numbers: Numbers) -> None:
        if self._parts == 1:
            self._append(time, {name: (value,) for name, value in numbers.items()})
            return
        begun = time - time % self.step
        if begun != self._begun:
            self._end_bucket()
            self._begun = begun
        bucket = self._bucket
        for name, value in numbers.items():
            known = bucket.get(name)
            if known is None:
                bucket[name] = [value, value, value, 1.0]
                continue
            if value < known[0]:
                known[0] = value
            if value > known[2]:
                known[2] = value
            known[1] += value
            known[3] += 1.0

    def _end_bucket(self) -> None:
        if self._begun is not None and self._bucket:
            self._append(self._begun, self._rows_of_bucket())
        self._bucket = {}

    def _rows_of_bucket(self) -> dict[str, tuple[float, ...]]:
        return {
            name: (low, total / count, high)
            for name, (low, total, high, count) in self._bucket.items()
        }

    def _append(self, time: float, row: Mapping[str, tuple[float, ...]]) -> None:
        block = self._blocks[-1] if self._blocks else None
        if block is None or block.full or not row.keys() <= set(block.columns):
            columns = set(row)
            if block is not None and not block.full:
                columns |= set(block.columns)  # so that what comes and goes makes no new blocks
            number = block.number + 1 if block else 0
            block = Block(tuple(sorted(columns)), self._parts, number)
            self._blocks.append(block)
            self._trim()
        block.add(time, row)

    def _trim(self) -> None:
        held = sum(len(block.times) for block in self._blocks)
        while len(self._blocks) > 1 and held - len(self._blocks[0].times) >= self._keep:
            block = self._blocks.popleft()
            held -= len(block.times)
            if self._folder:
                self._dropped.append(self._path(block))

    def slices(self, start: float, end: float) -> list[Slice]:
        """Copies of the rows in the range; the span that is not over yet counts as one."""
        found = []
        for block in self._blocks:
            times, width = block.times, block.width
            inside = [index for index, time in enumerate(times) if start <= time < end]
            if inside:
                a, b = inside[0], inside[-1] + 1
                copied = block.values[a * width : b * width]
                found.append(Slice(block.columns, self._parts, times[a:b], copied))
        if self._bucket and self._begun is not None and start <= self._begun < end:
            row = self._rows_of_bucket()
            values = array("f", (part for cell in row.values() for part in cell))
            found.append(Slice(tuple(row), self._parts, array("d", [self._begun]), values))
        return found

    # On disk

    def _path(self, block: Block) -> Path:
        assert self._folder is not None
        return self._folder / f"{block.number:012}.block"

    def load(self) -> None:
        """What earlier studios kept; a file that is damaged is put aside, one of a kind."""
        if self._folder is None:
            return
        numbers = []
        with contextlib.suppress(OSError):
            names = map(_FILE.fullmatch, os.listdir(self._folder))
            numbers = sorted(int(match[1]) for match in names if match)
        for number in numbers:
            path = self._folder / f"{number:012}.block"
            try:
                block = Block.read(path, number, self._parts)
            except Damaged:
                with contextlib.suppress(OSError):
                    os.replace(path, self._folder / "damaged")
            except (OSError, Later):
                continue
            else:
                self._blocks.append(block)
        if numbers and (not self._blocks or self._blocks[-1].number != numbers[-1]):
            # No file of an earlier studio is ever written over.
            self._blocks.append(Block((), self._parts, numbers[-1], closed=True))
        self._trim()

    def replay(self, finest: Tier) -> None:
        """Begin the span that was under way when the last studio ended, from its finest rows."""
        after = -math.inf if self.last is None else self.last + self.step
        for block in finest._blocks:
            for time, row in block.rows(after):
                self.take(time, {name: cell[0] for name, cell in row.items()})

    def writings(self) -> tuple[list[Writing], list[tuple[Block, int]]]:
        """What is not on disk yet; and how many rows of each block will be, once that is done."""
        writings, then = [], []
        for block in self._blocks if self._folder else ():
            rows = len(block.times)
            if rows > block.saved:
                offset = block.saved * block.row_size
                writings.append(Writing(self._path(block), block.head(), offset, block.unsaved()))
                then.append((block, rows))
        return writings, then

    def dropped(self) -> list[Path]:
        paths, self._dropped = self._dropped, []
        return paths
