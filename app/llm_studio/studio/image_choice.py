"""Which build of llama.cpp fits this machine, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_studio.engines.images.reference import OFFICIAL
from llm_studio.probes.accelerators import Accelerators

CUDA_13_LEAST = (7, 5)
"""CUDA 13 makes no code for older GPUs (Maxwell, Pascal, Volta)."""
CUDA_12_LEAST = (5, 0)
OFFICIAL_CUDA_12 = (12, 8)
"""What llama.cpp's image of CUDA 12 is made with; an older driver cannot run it."""
CUDA_RELEASES = {
    (12, 0): "12.0.1", (12, 1): "12.1.1", (12, 2): "12.2.2", (12, 3): "12.3.2", (12, 4): "12.4.1",
    (12, 5): "12.5.1", (12, 6): "12.6.3", (12, 8): "12.8.1", (12, 9): "12.9.1", (13, 0): "13.0.1",
}  # fmt: skip
"""The last release of each CUDA that NVIDIA publishes as an image."""
ROCM_TARGETS = frozenset(
    "gfx908 gfx90a gfx942 gfx1030 gfx1100 gfx1101 gfx1102 gfx1150 gfx1151 gfx1200 gfx1201".split()
)
"""Those that llama.cpp's ROCm image holds code for and that ROCm still supports."""
_64_BIT = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What to pull; where nothing official fits, what to build."""

    tag: str
    """Of llama.cpp's own images; "" where none fits."""
    why: str
    variant: str = "cpu"
    """The Dockerfile to build from, if it is to be built."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """For that build."""

    @property
    def reference(self) -> str:
        return f"{OFFICIAL}:{self.tag}" if self.tag else ""


def choose(found: Accelerators) -> Choice:
    """The best that runs for sure."""
    machine = _64_BIT.get(found.machine.lower(), found.machine.lower())
    if machine == "s390x":
        return Choice("server-s390x", "This is an s390x, for which there is one image.")
    if machine not in ("amd64", "arm64"):
        return Choice("", f"There is no official image for {machine}: build one from packages.")
    if found.system == "Darwin":
        return Choice(
            "server",
            "Containers on a Mac reach no GPU, so the CPU's; the engine `process` uses Metal.",
        )
    if found.nvidia:
        return _nvidia(found)
    if found.amd:
        return _amd(found, machine)
    if found.trouble:
        return Choice("server", f"{found.trouble.rstrip('.')}; until it does, the CPU's.")
    return Choice("server", "No GPU was found, so the one for the CPU.")


def _nvidia(found: Accelerators) -> Choice:
    oldest = min(found.nvidia, key=lambda gpu: gpu.capability)
    newest = found.driver_cuda
    offers = f"Driver {found.driver} runs CUDA {_dotted(newest)}"
    capabilities = sorted({gpu.capability for gpu in found.nvidia})
    arguments = {"CUDA_ARCHITECTURES": ";".join(f"{each[0]}{each[1]}" for each in capabilities)}
    if newest >= (13, 0) and oldest.capability >= CUDA_13_LEAST:
        arguments["CUDA_VERSION"] = CUDA_RELEASES[13, 0]
        return Choice("server-cuda13", f"{offers}, and so can every GPU.", "cuda", arguments)
    if newest < (12, 0) or oldest.capability < CUDA_12_LEAST:
        return Choice(
            "server",
            f"{offers}; llama.cpp needs 12 and a GPU of compute capability 5.0, so the CPU's "
            "until the driver is newer (525 or more).",
        )
    usable = min(newest, max(each for each in CUDA_RELEASES if each < (13, 0)))
    release = CUDA_RELEASES[max(each for each in CUDA_RELEASES if each <= usable)]
    arguments["CUDA_VERSION"] = release
    if usable < OFFICIAL_CUDA_12:  # its compiler takes no newer one for the rest
        arguments |= {"UBUNTU_VERSION": "22.04", "GCC_VERSION": "11"}
    if newest < OFFICIAL_CUDA_12:
        return Choice(
            "",
            f"{offers}, the official image needs {_dotted(OFFICIAL_CUDA_12)}: update the driver "
            f"to 570 or more, or build one with CUDA {release}.",
            "cuda",
            arguments,
        )
    if oldest.capability < CUDA_13_LEAST:
        why = (
            f"CUDA 13 has no code for {oldest.name} (compute capability "
            f"{_dotted(oldest.capability)}), so CUDA 12."
        )
    else:
        why = f"{offers}, so CUDA 12 (CUDA 13 needs driver 580)."
    return Choice("server-cuda", why, "cuda", arguments)


def _amd(found: Accelerators, machine: str) -> Choice:
    targets = ", ".join(dict.fromkeys(found.amd))
    if machine == "amd64" and set(found.amd) <= ROCM_TARGETS:
        return Choice("server-rocm", f"ROCm supports this AMD GPU ({targets}).", "vulkan")
    return Choice(
        "server-vulkan", f"ROCm does not support this AMD GPU ({targets}), Vulkan does.", "vulkan"
    )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
