"""Watches samples for what somebody should know, and says so once, and once it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from llm_studio.schema import GpuSample, Mark, Sample
from llm_studio.studio.log import Log
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.series import slowed

ALERTS = frozenset({"gpu", "throttled", "hot", "memory-hot", "memory", "burst"})
"""Kinds of marks that begin and end; the others happen at a moment."""
HOLDS = 3
"""Readings in a row for which something must be so before it counts, or counts as over."""
MARGIN = 3.0
"""Degrees below its limit at which a GPU has cooled down."""
MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """From the settings; 0 means none."""

    gpu_temperature: float = 87.0
    memory_temperature: float = 100.0
    gpu_free: int = 100
    """MiB."""
    requests: int = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so, or not, at one reading. None: it cannot be told."""

    kind: str
    about: str
    holds: bool | None
    text: str
    level: Literal["info", "warning", "error"] = "warning"
    ended: str = ""
    at_once: bool = False


@dataclass(slots=True)
class _Alert:
    mark: Mark | None = None
    """What was told, while it holds."""
    in_a_row: int = 0
    """Readings that said otherwise than what was told."""


class Alerts:
    """Turns samples into marks."""

    def __init__(self, limits: Limits, marks: Marks, log: Log) -> None:
        self._limits = limits
        self._marks = marks
        self._log = log
        self._alerts: dict[tuple[str, str], _Alert] = {}

    def _told(self, kind: str, about: str) -> bool:
        """Whether it was told, and its end was not yet."""
        alert = self._alerts.get((kind, about))
        return alert is not None and alert.mark is not None

    @property
    def active(self) -> list[Mark]:
        """What holds now, as it was told."""
        return [alert.mark for alert in self._alerts.values() if alert.mark is not None]

    def look(self, sample: Sample) -> None:
        for condition in self._conditions(sample):
            if condition.holds is None:
                continue
            key = (condition.kind, condition.about)
            alert = self._alerts.setdefault(key, _Alert())
            if condition.holds == (alert.mark is not None):
                alert.in_a_row = 0
                continue
            alert.in_a_row += 1
            if alert.in_a_row >= HOLDS or condition.at_once:
                mark = self._tell(condition)
                alert.mark, alert.in_a_row = mark if condition.holds else None, 0

    def _tell(self, condition: Condition) -> Mark:
        over = not condition.holds
        text = condition.ended if over else condition.text
        self._log.add(text, level="info" if over else condition.level)
        level = "info" if over else condition.level
        return self._marks.add(condition.kind, condition.about, text, level=level, over=over)

    def _conditions(self, sample: Sample) -> Iterator[Condition]:
        yield from self._of_what_is_gone(sample)
        for gpu in sample.gpus:
            if not gpu.stale:
                yield from self._of_gpu(gpu)
        note, ended = " ".join(sample.notes), "The GPUs can be read again"
        yield Condition("gpu", "driver", bool(note), note, "error", ended, at_once=True)
        if self._limits.requests and sample.engine is not None:
            waiting = sample.engine.waiting
            count = sample.engine.running + waiting
            text = f"{count} requests at once, of which {waiting} wait"
            holds = count >= self._limits.requests
            about, ended = sample.engine.profile, "The burst of requests is over"
            yield Condition("burst", about, holds, text, "info", ended)

    def _of_what_is_gone(self, sample: Sample) -> Iterator[Condition]:
        """What was told of a GPU that was taken out, or of a model that was unloaded, is over."""
        here = {"driver", *(gpu.id for gpu in sample.gpus)}
        served = sample.engine.profile if sample.engine is not None else ""
        for mark in self.active:
            if mark.kind == "burst" and mark.about != served:
                yield Condition(
                    "burst", mark.about, False, "", ended="The burst of requests is over"
                )
            elif mark.kind != "burst" and mark.about not in here and not sample.notes:
                yield Condition(mark.kind, mark.about, False, "", ended=f"{mark.about} is gone")

    def _of_gpu(self, gpu: GpuSample) -> Iterator[Condition]:
        name = f"GPU {gpu.index}" + (f" ({gpu.name})" if gpu.name else "")
        trouble = f"{name}: {gpu.fault}. {gpu.hint}".strip()
        ended = f"{name} answers again"
        yield Condition("gpu", gpu.id, bool(gpu.fault), trouble, "error", ended, at_once=True)
        if gpu.throttle is not None:
            why = ", ".join(gpu.throttle)
            text = f"{name} slows itself down: {why}"
            yield Condition("throttled", gpu.id, slowed(gpu), text, ended=f"{name} is not slowed")
        for kind, what, value, limit in (
            ("hot", "is", gpu.temperature, self._limits.gpu_temperature),
            (
                "memory-hot",
                "has memory of",
                gpu.memory_temperature,
                self._limits.memory_temperature,
            ),
        ):
            if value is not None and limit:
                holds = value >= (limit - MARGIN if self._told(kind, gpu.id) else limit)
                text = f"{name} {what} {value:.0f} °C (limit {limit:.0f} °C)"
                ended = f"{name} {what} {value:.0f} °C again"
                yield Condition(kind, gpu.id, holds, text, ended=ended)
        if gpu.memory_free is not None and self._limits.gpu_free:
            free = gpu.memory_free / MiB
            room = 1.2 if self._told("memory", gpu.id) else 1.0
            holds = free < self._limits.gpu_free * room
            text = f"{name} has {free:.0f} MiB free (limit {self._limits.gpu_free} MiB)"
            yield Condition(
                "memory", gpu.id, holds, text, ended=f"{name} has {free:.0f} MiB free again"
            )
