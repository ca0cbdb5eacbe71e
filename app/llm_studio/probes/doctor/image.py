"""What an image says of itself: labels, variables and its name, each of which may be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llm_studio.probes.doctor.cuda import Version, told, version_in

Backend = Literal["cuda", "rocm", "vulkan", "sycl", "cpu", ""]
_CUDA = re.compile(r"(?:^|[._-])cuda(?:[._-]?version)?$", re.IGNORECASE)
_ARCHITECTURES = re.compile(r"cuda[._-]?arch(?:itectures?|s)?$|[._-]architectures$", re.IGNORECASE)
_BACKEND = re.compile(r"(?:^|[._-])(?:backend|variant)$", re.IGNORECASE)
_NAMED = re.compile(r"(cuda|rocm|vulkan|sycl|intel|cpu)")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image needs of the machine, as far as it says so."""

    backend: Backend = ""
    cuda: Version | None = None
    required: Version | None = None
    """What the NVIDIA Container Toolkit is told to insist on."""
    architectures: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        parts = [f"CUDA {told(self.cuda)}" if self.cuda else self.backend.upper()]
        parts += [f"for {', '.join(self.architectures)}"] if self.architectures else []
        return " ".join(filter(None, parts))


def image_of(name: str, inspected: Mapping[str, Any]) -> Image:
    config = inspected.get("Config") or {}
    labels = {str(key): str(value) for key, value in (config.get("Labels") or {}).items()}
    lines = (str(line).partition("=") for line in config.get("Env") or ())
    variables = {name: value for name, _, value in lines}
    said = next((value for key, value in labels.items() if _CUDA.search(key)), "")
    cuda = version_in(said) or version_in(variables.get("CUDA_VERSION"))
    required = re.match(r"cuda>=(\d+\.\d+)", variables.get("NVIDIA_REQUIRE_CUDA", ""))
    made = next((value for key, value in labels.items() if _ARCHITECTURES.search(key)), "")
    made = made or variables.get("CMAKE_CUDA_ARCHITECTURES", "")
    return Image(
        _backend(name, labels, cuda),
        cuda,
        version_in(required[1]) if required else None,
        tuple(word for word in re.split(r"[;,\s]+", made) if word)[:20],
    )


def _backend(name: str, labels: Mapping[str, str], cuda: Version | None) -> Backend:
    if cuda:
        return "cuda"
    label = next((value.lower() for key, value in labels.items() if _BACKEND.search(key)), "")
    words: dict[str, Backend] = {
        "cuda": "cuda", "rocm": "rocm", "vulkan": "vulkan", "sycl": "sycl", "intel": "sycl",
        "cpu": "cpu",
    }  # fmt: skip
    found = _NAMED.search(label) or _NAMED.search(name.rpartition(":")[2])
    if found:
        return words[found[1]]
    # llama.cpp's own images name what they have beyond the processor.
    return "cpu" if name.rpartition(":")[2] in ("server", "full", "light") else ""
