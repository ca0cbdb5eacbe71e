"""NVIDIA GPUs through the driver's own library; without a driver there are none, quietly."""

from __future__ import annotations

from collections.abc import Mapping

from llm_studio.models.memory import Device
from llm_studio.probes.overhead import UNMEASURED
from llm_studio.text import untrusted_line


def nvidia_devices(overheads: Mapping[str, int]) -> tuple[Device, ...]:
    """Every GPU that reports its memory, in the order of the PCI bus."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            device = _device(index, overheads)
            if device is not None:
                found.append(device)
        return tuple(found)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _device(index: int, overheads: Mapping[str, int]) -> Device | None:
    """One GPU, or nothing when it does not say how much memory it has."""
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return None
    if not memory.total:
        return None
    try:
        uuid = _text(pynvml.nvmlDeviceGetUUID(handle))
    except pynvml.NVMLError:
        uuid = ""
    overhead = overheads.get(uuid, UNMEASURED)
    return Device(f"GPU {index}", int(memory.total), int(memory.free), uuid, overhead)


def _text(value: str | bytes) -> str:
    return untrusted_line(value.decode(errors="replace") if isinstance(value, bytes) else value)
