"""The past of the samples: a day and more in three tiers, in memory and on disk, all bounded.

Each tier keeps the lowest, the mean and the highest value of its span, so that a spike shows
however far away one looks. Times are the wall clock's; rows go by their number and not by their
age, so that a clock that was set wrong throws nothing away.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from array import array
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from llm_studio.probes.lane import Lane
from llm_studio.schema import Curve
from llm_studio.studio.blocks import Block, Damaged, Writing

MOST_POINTS = 2000
"""Points of a curve, and"""
MOST_VALUES = 120_000
"""those of all curves of an answer; what would be more is told more coarsely."""
STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds a point, where nobody asked for another number."""
_FILE = re.compile(r"(\d{1,12})\.block")
Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """How fine a tier is, and how many rows it keeps."""

    step: int
    rows: int


SPANS = (Span(1, 4200), Span(10, 8640), Span(60, 4320))
"""An hour and some, a day, three days."""


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
            except OSError:
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


class History:
    """All tiers. Written in a thread, for a disk may hang; what it refuses is tried again."""

    def __init__(
        self,
        folder: Path | None,
        spans: Collection[Span] = SPANS,
        *,
        complain: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.tiers = [Tier(span, folder) for span in spans]
        self._lane: Lane[OSError | None] = Lane("history", self._write)
        self._folder = folder
        self._todo: tuple[list[Writing], list[Path]] = ([], [])
        self._then: list[tuple[Block, int]] = []
        self._pending: Future[OSError | None] = Future()
        self._complain = complain
        self._complained = False

    def load(self) -> None:
        for tier in self.tiers:
            tier.load()
        for tier in self.tiers[1:]:
            tier.replay(self.tiers[0])

    def add(self, time: float, numbers: Numbers) -> None:
        for tier in self.tiers:
            tier.take(time, numbers)

    def flush(self) -> None:
        """Have the new rows written, unless earlier ones still are."""
        if self._folder is None or self._lane.busy:
            return
        self._note_written()
        writings: list[Writing] = []
        for tier in self.tiers:
            more, then = tier.writings()
            writings += more
            self._then += then
        self._todo = (writings, [path for tier in self.tiers for path in tier.dropped()])
        if writings:
            self._pending = self._lane.ask()

    def _note_written(self) -> None:
        then, self._then = self._then, []
        if not then:
            return
        error = self._pending.result()
        if error is None:
            self._complained = False
            for block, rows in then:
                block.saved = rows
        elif not self._complained:
            self._complained = True
            why = error.strerror or str(error)
            self._complain(f"the history cannot be written to disk ({why}); it is kept in memory")

    def _write(self) -> OSError | None:
        writings, dropped = self._todo
        try:
            for path in dropped:
                path.unlink(missing_ok=True)
            for writing in writings:
                writing.do()
        except OSError as error:
            return error
        return None

    def close(self, limit: float = 2.0) -> None:
        """Write what is left, but wait for no disk that hangs."""
        for _ in range(2):
            self.flush()
            if self._then:
                with contextlib.suppress(TimeoutError):
                    self._pending.result(limit)
        self._lane.close()

    # Questions

    @property
    def names(self) -> set[str]:
        """Every series that there is."""
        return {name for tier in self.tiers for name in tier.names}

    def tier_for(self, start: float, end: float, resolution: float) -> Tier:
        """The coarsest that is fine enough; a coarser one where it does not reach so far back."""
        chosen = self.tiers[0]
        for tier in self.tiers[1:]:
            reaches_further = tier.first is not None and (
                chosen.first is None or tier.first + tier.step < chosen.first
            )
            too_short = chosen.first is None or chosen.first > start + tier.step
            if tier.step <= resolution or (reaches_further and too_short):
                chosen = tier
        return chosen

    def slices(
        self, start: float, end: float, resolution: float, curves: int = 1
    ) -> tuple[float, list[Slice]]:
        """The rows of a range, and the resolution that so many curves of them are told with."""
        least = (end - start) / min(MOST_POINTS, MOST_VALUES / max(curves, 1))
        resolution = max(resolution, next((s for s in STEPS if s >= least), least))
        tier = self.tier_for(start, end, resolution)
        return max(resolution, float(tier.step)), tier.slices(start, end)


def curves(
    slices: list[Slice], resolution: float, wanted: Callable[[str], bool]
) -> tuple[list[float], dict[str, Curve]]:
    """Times and curves of what was sliced, with one point for each span of the resolution."""
    names = sorted({name for each in slices for name in each.columns if wanted(name)})
    points = sorted({time - time % resolution for each in slices for time in each.times})
    places = {time: place for place, time in enumerate(points)}
    lows, sums, highs, counts = (
        {name: [start] * len(points) for name in names} for start in (math.inf, 0.0, -math.inf, 0.0)
    )
    for each in slices:
        positions = [places[time - time % resolution] for time in each.times]
        width = len(each.columns) * each.parts
        for at, name in enumerate(each.columns):
            if name not in lows:
                continue
            low, total, high, count = lows[name], sums[name], highs[name], counts[name]
            first = at * each.parts
            minima = each.values[first::width]
            means = each.values[first + 1 :: width] if each.parts == 3 else minima
            maxima = each.values[first + 2 :: width] if each.parts == 3 else minima
            for place, least, mean, most in zip(positions, minima, means, maxima, strict=True):
                if mean == mean:  # a number
                    low[place] = min(low[place], least)
                    high[place] = max(high[place], most)
                    total[place] += mean
                    count[place] += 1
    found = {}
    for name in names:
        count = counts[name]
        found[name] = Curve(
            min=_plain(lows[name], count),
            mean=_plain(
                [each / (n or 1) for each, n in zip(sums[name], count, strict=True)], count
            ),
            max=_plain(highs[name], count),
        )
    return points, found


def _plain(values: list[float], counts: list[float]) -> list[float | None]:
    return [round(value, 3) if count else None for value, count in zip(values, counts, strict=True)]
