"""The memory of this machine: its GPUs' and its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from llm_studio.models.fit import Host
from llm_studio.models.memory import Device
from llm_studio.probes.gpu import GpuProbe
from llm_studio.probes.overhead import UNMEASURED, known_overheads
from llm_studio.profiles.plan import Machine

_one_at_a_time = Lock()
"""The driver's library is loaded once for all threads, and may have to be loaded anew."""


def this_machine(state: Path, *, look_for_gpus: bool = True) -> Machine:
    """What there is to serve with, as free as it is now."""
    import psutil

    memory = psutil.virtual_memory()
    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()
    if look_for_gpus:
        from llm_studio.probes.gpus.nvidia import Nvidia

        with _one_at_a_time:
            devices, notes = plannable(Nvidia(may_reload=True), known_overheads(state))
    return Machine(devices, Host(memory.total, memory.available), notes)


def plannable(
    probe: GpuProbe, overheads: Mapping[str, int]
) -> tuple[tuple[Device, ...], tuple[str, ...]]:
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
