"""Are the GPUs' device files there, and may this user open them?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.distribution import distribution
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok
from llm_studio.probes.doctor.hardware import AMD, INTEL, of
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import System, exists

_AGAIN = "Log out and in again, so that the groups count."


def look(system: System) -> Iterator[Finding]:
    if system.platform == "darwin":
        yield ok("nothing to look at: macOS gives the GPU to every program")
        return
    if not nvidia(system).usable and not of(system, AMD) and not of(system, INTEL):
        yield ok("nothing to look at: no GPU has a driver")
        return
    found = [*_nvidia(system), *_render(system)]
    yield from found or [ok("the device files of all GPUs can be opened")]


def _nvidia(system: System) -> Iterator[Finding]:
    if not nvidia(system).usable or distribution(system).wsl:
        return
    if not exists(system, "/dev/nvidia-uvm"):
        yield fault(
            "/dev/nvidia-uvm is missing",
            "nvidia-smi works without it, but CUDA does not start (“unknown error”).",
            ("sudo nvidia-modprobe -u -c=0", "sudo modprobe nvidia-uvm"),
            part="uvm",
        )
    elif not system.may("/dev/nvidia-uvm", write=True) or not system.may(
        "/dev/nvidiactl", write=True
    ):
        yield fault(
            "you may not open NVIDIA's device files",
            "CUDA does not start without them.",
            ("ls -l /dev/nvidia*", 'sudo usermod -aG video,render "$USER"'),
            _AGAIN,
            part="nvidia",
        )


def _render(system: System) -> Iterator[Finding]:
    if not of(system, AMD) and not of(system, INTEL):
        return
    nodes = [name for name in _names(system, "/dev/dri") if name.startswith("renderD")]
    closed = [name for name in nodes if not system.may(f"/dev/dri/{name}", write=True)]
    if closed:
        yield fault(
            f"you may not open /dev/dri/{closed[0]}",
            "ROCm, SYCL and Vulkan need it; without it models run on the processor.",
            ('sudo usermod -aG render,video "$USER"',),
            _AGAIN,
            part="render",
        )
    if of(system, AMD) and exists(system, "/dev/kfd") and not system.may("/dev/kfd", write=True):
        yield fault(
            "you may not open /dev/kfd",
            "ROCm needs it; Vulkan would still work.",
            ('sudo usermod -aG render,video "$USER"',),
            _AGAIN,
            part="kfd",
        )


def _names(system: System, folder: str) -> list[str]:
    try:
        return list(system.names(folder))
    except OSError:
        return []


CHECK = Check("gpu.rights", "GPU device files", Group.GPU, 30, look)
