"""NVIDIA GPUs through the driver's own library."""

from __future__ import annotations

from collections.abc import Mapping

import pynvml

from llm_studio.models.memory import Device
from llm_studio.probes.overhead import UNMEASURED
from llm_studio.text import untrusted_line


def nvidia_devices(overheads: Mapping[str, int]) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """The GPUs in the order of the PCI bus, and what went wrong; no driver at all is not wrong."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), _why_no_driver(error)
    try:
        return _devices(overheads)
    except pynvml.NVMLError as error:
        return (), (f"The NVIDIA driver does not list its GPUs: {_told(error)}.",)
    finally:
        pynvml.nvmlShutdown()


def _why_no_driver(error: pynvml.NVMLError) -> tuple[str, ...]:
    if error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return ()
    if error.value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return (
            "The NVIDIA driver was updated and its kernel module was not: its GPUs cannot be used "
            "until you reboot or reload the module.",
        )
    return (f"The NVIDIA driver does not answer: {_told(error)}. `nvidia-smi` tells more.",)


def _devices(
    overheads: Mapping[str, int],
) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    found, notes = [], []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(_device(index, overheads))
        except pynvml.NVMLError as error:
            notes.append(f"GPU {index} is left out: {_told(error)}.")
    return tuple(found), tuple(notes)


def _device(index: int, overheads: Mapping[str, int]) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    uuid = _text(pynvml.nvmlDeviceGetUUID(handle))
    return Device(
        f"GPU {index}",
        int(memory.total),
        int(memory.free),
        uuid,
        _text(pynvml.nvmlDeviceGetName(handle)),
        overheads.get(uuid, UNMEASURED),
    )


def _text(value: str | bytes) -> str:
    return untrusted_line(value.decode(errors="replace") if isinstance(value, bytes) else value)


def _told(error: pynvml.NVMLError) -> str:
    return untrusted_line(str(error)).lower()
