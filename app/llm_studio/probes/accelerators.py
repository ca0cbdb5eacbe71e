"""What decides which build of llama.cpp this machine can run: its GPUs' makes and drivers."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from llm_studio.text import untrusted_line

KFD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
"""Where the driver of AMD's GPUs tells what they are."""


@dataclass(frozen=True, slots=True)
class NvidiaGpu:
    name: str
    capability: tuple[int, int]
    """Its generation, as CUDA counts them: (8, 9) is an RTX 4090."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """The machine, as far as it matters for the choice of an image."""

    machine: str
    """Of the processor, as `uname -m` says it."""
    system: str = "Linux"
    nvidia: tuple[NvidiaGpu, ...] = ()
    driver: str = ""
    driver_cuda: tuple[int, int] = (0, 0)
    """The newest CUDA that the driver can run."""
    amd: tuple[str, ...] = ()
    """Targets of AMD's compiler, like gfx1100."""
    trouble: str = ""
    """Why GPUs that are there cannot be used."""


def accelerators(nodes: Path = KFD_NODES) -> Accelerators:
    """Those of this machine. Blocks."""
    machine, system, amd = platform.machine(), platform.system(), _amd(nodes)
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
        trouble = "" if absent else untrusted_line(f"The NVIDIA driver does not answer: {error}")
        return Accelerators(machine, system, amd=amd, trouble=trouble)
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        gpus = tuple(
            NvidiaGpu(
                _text(pynvml.nvmlDeviceGetName(handle)),
                tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
            )
            for handle in handles
        )
        cuda = int(pynvml.nvmlSystemGetCudaDriverVersion())
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        newest = (cuda // 1000, cuda % 1000 // 10)
        return Accelerators(machine, system, gpus, driver, newest, amd)
    except pynvml.NVMLError as error:
        trouble = untrusted_line(f"The NVIDIA driver does not list its GPUs: {error}")
        return Accelerators(machine, system, amd=amd, trouble=trouble)
    finally:
        pynvml.nvmlShutdown()


def _amd(nodes: Path) -> tuple[str, ...]:
    """`gfx_target_version 110001` is gfx1101; processors are nodes too, of version 0."""
    found = []
    for path in sorted(nodes.glob("*/properties")):
        try:
            match = re.search(r"^gfx_target_version (\d+)$", path.read_text(), re.MULTILINE)
        except OSError:
            continue
        version = int(match[1]) if match else 0
        if version:
            major, minor, step = version // 10000, version // 100 % 100, version % 100
            found.append(f"gfx{major}{minor:x}{step:x}")
    return tuple(found)


def _text(value: str | bytes) -> str:
    return untrusted_line(value.decode(errors="replace") if isinstance(value, bytes) else value)
