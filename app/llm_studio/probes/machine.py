"""The memory of this machine: its GPUs' and its own."""

from __future__ import annotations

from pathlib import Path

from llm_studio.models.fit import Host
from llm_studio.models.memory import Device
from llm_studio.probes.overhead import known_overheads
from llm_studio.profiles.plan import Machine


def this_machine(state: Path, *, look_for_gpus: bool = True) -> Machine:
    """What there is to serve with, as free as it is now."""
    import psutil

    memory = psutil.virtual_memory()
    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()
    if look_for_gpus:
        from llm_studio.probes.nvml import nvidia_devices

        devices, notes = nvidia_devices(known_overheads(state))
    return Machine(devices, Host(memory.total, memory.available), notes)
