"""The process that reads the GPUs: `python -m llm_studio.probes.gpu_child`, asked line by line.

Drivers hang, and some crash whoever asks about a GPU that was lost, so this is not done in the
studio itself. For each line that comes in, one line of JSON goes out. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any

from llm_studio.probes.gpu import Found, Gpu, GpuProbe, Reading
from llm_studio.probes.gpus import gpu_probes
from llm_studio.probes.lane import Lane

PATIENCE = 0.15
"""Seconds that one GPU is waited for, and"""
ALTOGETHER = 0.4
"""all of them. A later answer counts for the next reading."""
LOOK_AGAIN = (2.0, 5.0, 10.0, 30.0)
"""Seconds until GPUs that do not answer are looked for anew."""
RELOAD = 30.0
"""A driver that failed for so long is tried with its library loaded afresh: in another process."""


class _Watched:
    """One GPU, read in a thread of its own."""

    def __init__(self, gpu: Gpu) -> None:
        self.lane: Lane[Reading] = Lane("gpu", gpu.read)
        self._last: Reading = {}
        self._time = 0.0

    def read(self, patience: float) -> Reading:
        asked = self.lane.ask()
        try:
            self._last, self._time = asked.result(max(patience, 0.0)), time.time()
        except TooLate:
            return {**self._last, "time": self._time, "stale": True}
        except Exception as error:  # a defect of ours must not hide the other GPUs
            self._last = {**self._last, "fault": f"It cannot be read: {type(error).__name__}"}
        return {**self._last, "time": self._time, "stale": False}


@dataclass(slots=True)
class _Kind:
    """All GPUs of one kind, found anew when some of them fail."""

    probe: GpuProbe
    found: Found
    gpus: list[_Watched]
    failing_since: float | None = None
    tries: int = 0
    next_look: float = 0.0

    def read(self, deadline: float) -> list[Reading]:
        now = time.monotonic()
        if self.failing_since is not None and now >= self.next_look and not self._hanging:
            self.look()
        readings = []
        for number, gpu in enumerate(self.gpus):
            left = min(PATIENCE, deadline - time.monotonic())
            kind = self.probe.kind
            known = {"id": f"{kind}{number}", "kind": kind, "index": number}
            readings.append({**known, **gpu.read(left)})
        if self.found.notes or any(reading.get("fault") for reading in readings):
            if self.failing_since is None:
                self.failing_since, self.tries = now, 0
                self.next_look = now + LOOK_AGAIN[0]
        else:
            self.failing_since = None
        return readings

    @property
    def _hanging(self) -> bool:
        return any(gpu.lane.busy for gpu in self.gpus)

    def look(self) -> None:
        for gpu in self.gpus:
            gpu.lane.close()
        self.found = self.probe.look()
        self.gpus = [_Watched(gpu) for gpu in self.found.gpus]
        self.tries += 1
        pause = LOOK_AGAIN[min(self.tries, len(LOOK_AGAIN) - 1)]
        self.next_look = time.monotonic() + pause


class Watch:
    """Every GPU of this machine."""

    def __init__(self) -> None:
        self._kinds = [_Kind(probe, Found(), []) for probe in gpu_probes()]
        for kind in self._kinds:
            kind.look()

    def read(self) -> dict[str, Any]:
        deadline = time.monotonic() + ALTOGETHER
        gpus = [reading for kind in self._kinds for reading in kind.read(deadline)]
        return {"gpus": gpus, "notes": [note for kind in self._kinds for note in kind.found.notes]}

    @property
    def spent(self) -> bool:
        """Whether another process would do better: a library stays as it was loaded."""
        now = time.monotonic()
        return any(
            kind.found.notes and kind.failing_since and now - kind.failing_since > RELOAD
            for kind in self._kinds
        )


def main() -> None:
    watch = Watch()
    while sys.stdin.buffer.readline():
        line = json.dumps(watch.read(), separators=(",", ":")) + "\n"
        sys.stdout.buffer.write(line.encode())
        sys.stdout.buffer.flush()
        if watch.spent:
            break
    os._exit(0)  # a thread that hangs in a driver is not waited for


if __name__ == "__main__":
    main()
