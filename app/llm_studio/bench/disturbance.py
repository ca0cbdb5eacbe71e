"""What else the machine does while it is measured, and what the measuring takes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from llm_studio.schema import Sample

FOREIGN = 0.1
"""The part of all cores that programs other than the engine and the studio may keep busy without
a word; a quarter of a core on small machines."""
SHORTEST = 0.3
"""Seconds below which the counters of processor time are too coarse."""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """How a stretch of time went."""

    disturbed: list[str]
    power: float | None = None
    joules: float | None = None
    gpu_memory: int | None = None
    host_memory: int | None = None


class Observer:
    """Watches from its start until it is asked."""

    def __init__(
        self, look: Callable[[], Sample | None], foreign: Callable[[], int], pid: int
    ) -> None:
        """`foreign` counts requests of other clients that are, or were, under way."""
        self._look = look
        self._foreign = foreign
        self._pids = [os.getpid(), *([pid] if pid else [])]
        self._engine_seen = bool(pid)
        self._samples: dict[int, Sample] = {}
        self._others = 0
        self._begun = time.monotonic()
        self._busy, self._ours = _busy(), self._own()

    def note(self) -> None:
        """To be called now and then: the samples go by."""
        sample = self._look()
        if sample is not None:
            self._samples[sample.seq] = sample
        self._others = max(self._others, self._foreign())

    def ended(self) -> Meanwhile:
        self.note()
        seconds = time.monotonic() - self._begun
        return Meanwhile(
            self._disturbances(seconds),
            power := self._power(),
            power * seconds if power is not None and seconds >= 2 else None,
            self._peak(lambda s: sum(gpu.memory_used or 0 for gpu in s.gpus)),
            self._peak(lambda s: s.host.engine_memory or 0),
        )

    def _disturbances(self, seconds: float) -> list[str]:
        found = []
        if self._others:
            found.append(f"{self._others} requests of other clients")
        if self._engine_seen and seconds >= SHORTEST:
            cores = ((_busy() - self._busy) - (self._own() - self._ours)) / seconds
            if cores > max(FOREIGN * (os.cpu_count() or 1), 0.25):
                found.append(f"other programs kept {cores:.1f} cores busy")
        names = {
            process.name or str(process.pid)
            for sample in self._samples.values()
            for gpu in sample.gpus
            for process in gpu.processes or ()
            if not process.engine and (gpu.utilisation or 0) > 0
        }
        if names:
            found.append(f"other programs on the GPUs: {', '.join(sorted(names)[:5])}")
        throttled = {
            reason
            for s in self._samples.values()
            for gpu in s.gpus
            for reason in gpu.throttle or ()
        }
        if throttled:
            found.append(f"GPUs were slowed down: {', '.join(sorted(throttled)[:3])}")
        return found

    def _power(self) -> float | None:
        """Only where every GPU tells it, at least twice."""
        told = [
            sum(gpu.power or 0 for gpu in sample.gpus)
            for sample in self._samples.values()
            if sample.gpus and all(gpu.power is not None for gpu in sample.gpus)
        ]
        return sum(told) / len(told) if len(told) > 1 else None

    def _peak(self, of: Callable[[Sample], int]) -> int | None:
        return max(map(of, self._samples.values()), default=0) or None

    def _own(self) -> float:
        """Seconds that the studio and the engine have computed so far."""
        total = 0.0
        for pid in self._pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                for each in (process, *process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        times = each.cpu_times()
                        total += times.user + times.system
        return total


def _busy() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests)
