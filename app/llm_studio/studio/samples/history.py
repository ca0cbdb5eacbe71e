"""The past of the samples: a day and more in three tiers, in memory and on disk, all bounded.

Each tier keeps the lowest, the mean and the highest value of its span, so that a spike shows
however far away one looks. Times are the wall clock's; rows go by their number and not by their
age, so that a clock that was set wrong throws nothing away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path

from llm_studio.probes.lane import Lane
from llm_studio.studio.samples.blocks import Block, Writing
from llm_studio.studio.samples.tiers import Numbers, Slice, Span, Tier

MOST_POINTS = 2000
"""Points of a curve, and"""
MOST_VALUES = 120_000
"""those of all curves of an answer; what would be more is told more coarsely."""
STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds a point, where nobody asked for another number."""
SPANS = (Span(1, 4200), Span(10, 8640), Span(60, 4320))
"""An hour and some, a day, three days."""


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
