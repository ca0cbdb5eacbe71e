"""The memory of this machine: its GPUs' and its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock

from llm_studio.models.fit import Host
from llm_studio.models.memory import Device
from llm_studio.probes.gpu import GpuProbe
from llm_studio.probes.lane import Lane
from llm_studio.probes.overhead import UNMEASURED, known_overheads
from llm_studio.profiles.plan import Machine

PATIENCE = 10.0
"""Seconds for which a driver is waited for. One that hangs takes a thread, and never gives it back:
it is given one and no more, and whoever asks in the meantime is told so at once."""

Found = tuple[tuple[Device, ...], tuple[str, ...]]


class _Driver:
    """Asked by one thread, for its library is loaded once for all, and may have to be anew."""

    def __init__(self) -> None:
        self._lane: Lane[Found] = Lane("gpu memory", _look)
        self._guard = Lock()
        self._asked: tuple[Future[Found] | None, float] = (None, 0.0)

    def look(self) -> Found:
        with self._guard:
            answer = self._lane.ask()
            if answer is not self._asked[0]:
                self._asked = (answer, time.monotonic())
            left = self._asked[1] + PATIENCE - time.monotonic()
        try:
            return answer.result(max(left, 0.0))
        except TimeoutError:
            return (), ("The GPU driver does not answer; `dmesg` may tell why.",)


def _look() -> Found:
    from llm_studio.probes.gpus.nvidia import Nvidia

    return plannable(Nvidia(may_reload=True), {})


_driver = _Driver()


def this_machine(state: Path, *, look_for_gpus: bool = True) -> Machine:
    """What there is to serve with, as free as it is now."""
    import psutil

    memory = psutil.virtual_memory()
    found, notes = _driver.look() if look_for_gpus else ((), ())
    overheads = known_overheads(state) if found else {}
    devices = tuple(replace(d, overhead=overheads.get(d.uuid, UNMEASURED)) for d in found)
    return Machine(devices, Host(memory.total, memory.available), notes)


def plannable(probe: GpuProbe, overheads: Mapping[str, int]) -> Found:
    """The GPUs that a model can be planned for, and what is wrong with others."""
    try:
        found = probe.look()
        devices, notes = [], list(found.notes)
        for index, gpu in enumerate(found.gpus):
            told = gpu.memory()
            total, free = told.get("memory_total"), told.get("memory_free")
            if total is None or free is None:
                why = told.get("fault") or "It does not tell how much memory it has"
                notes.append(f"GPU {index} is left out: {why}.")
                continue
            uuid, model = told.get("uuid") or "", told.get("name") or ""
            overhead = overheads.get(uuid, UNMEASURED)
            devices.append(Device(f"GPU {index}", total, free, uuid, model, overhead))
        return tuple(devices), tuple(notes)
    finally:
        probe.close()
