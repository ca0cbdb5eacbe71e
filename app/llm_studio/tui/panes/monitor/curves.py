"""The numbers behind the graphs: the past as the studio keeps it, and each second as it comes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from llm_studio.tui.widgets.graph import Span
from llm_studio.tui.wire import Wire

WINDOWS = (60, 300, 900, 3600, 6 * 3600, 24 * 3600)
"""Seconds that the graphs can show."""
POINTS = 400
"""Columns that are asked for; more than any graph has."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened."""

    time: float
    kind: str
    level: str
    text: str

    @classmethod
    def of(cls, mark: Mapping[str, Any]) -> Self:
        return cls(float(mark["time"]), mark["kind"], mark["level"], mark["text"])


@dataclass(slots=True)
class Curves:
    """What is shown of a window of time. `times` and each series go from old to new."""

    window: int = WINDOWS[1]
    times: list[float] = field(default_factory=list)
    series: dict[str, list[Span]] = field(default_factory=dict)
    marks: list[Note] = field(default_factory=list)
    step: float = 1.0
    """Seconds that a point stands for."""

    async def read(self, wire: Wire, names: Sequence[str], end: float | None = None) -> None:
        """The past of the window, in place of what was there; until now, or until a moment."""
        window = self.window
        page = await wire.ask(
            "GET", "/history", **{"from": end - window if end else -window}, to=end,
            resolution=window / POINTS, series=",".join(names),
        )  # fmt: skip
        if window != self.window:
            return  # somebody chose another one meanwhile
        self.step = float(page["resolution"])
        self.times = [float(each) for each in page["times"]]
        self.series = {
            name: [
                None if low is None or high is None else (float(low), float(high))
                for low, high in zip(curve["min"], curve["max"], strict=True)
            ]
            for name, curve in page["series"].items()
        }
        self.marks = [Note.of(each) for each in page["marks"]]

    def add(self, sample: Mapping[str, Any], names: Sequence[str]) -> None:
        """One more second."""
        moment = float(sample["time"])
        if self.times and moment <= self.times[-1]:
            return
        self.times.append(moment)
        for name in {*names, *self.series}:
            curve = self.series.setdefault(name, [None] * (len(self.times) - 1))
            value = value_of(sample, name)
            curve.append(None if value is None else (value, value))
        self._forget(moment - self.window - self.step)

    def happened(self, mark: Mapping[str, Any]) -> None:
        """One more mark, unless it was read with the past."""
        note = Note.of(mark)
        if note not in self.marks:
            self.marks.append(note)

    def _forget(self, before: float) -> None:
        gone = 0
        while gone < len(self.times) and self.times[gone] < before:
            gone += 1
        if gone > POINTS // 4:  # many at a time, since the front of a list is dear
            del self.times[:gone]
            for curve in self.series.values():
                del curve[:gone]

    def columns(self, name: str, count: int, end: float) -> list[Span]:
        """One series in so many columns that end at a moment."""
        found: list[Span] = [None] * count
        curve = self.series.get(name, [])
        begin, width = end - self.window, self.window / count
        last, reach = -1, max(self.step, width) * 1.5
        last_time = 0.0
        for moment, span in zip(self.times, curve, strict=False):
            column = int((moment - begin) / width)
            if span is None or not 0 <= column < count:
                continue
            before = found[column]
            found[column] = (
                span if before is None else (min(span[0], before[0]), max(span[1], before[1]))
            )
            if last >= 0 and moment - last_time <= reach:
                for between in range(last + 1, column):  # points are rarer than columns
                    found[between] = span
            last, last_time = column, moment
        return found

    def mark_near(self, moment: float, end: float) -> Note | None:
        """What happened nearest to a moment, in the window that ends there."""
        seen = [mark for mark in self.marks if end - self.window <= mark.time <= end]
        return min(seen, key=lambda mark: abs(mark.time - moment), default=None)

    def at(self, name: str, moment: float) -> Span:
        """What a series was at a moment."""
        best: tuple[float, Span] = (max(self.step, self.window / 100), None)
        for when, span in zip(self.times, self.series.get(name, []), strict=False):
            if span is not None and abs(when - moment) < best[0]:
                best = (abs(when - moment), span)
        return best[1]


def value_of(sample: Mapping[str, Any], name: str) -> float | None:
    """A series' value in a sample, by the name that the history gives it."""
    of, _, what = name.rpartition(".")
    if of in ("host", "engine"):
        reading = sample[of]
    else:
        reading = next((gpu for gpu in sample["gpus"] if gpu["id"] == of), None)
    if not reading or reading.get("stale"):
        return None
    value = reading.get(what)
    return None if value is None else float(value)


def window_name(seconds: int) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
