"""How a PyTorch was built, told by its own version file and metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from llm_studio.probes.doctor.cuda import Version, told, version_in
from llm_studio.probes.doctor.environments import Environment, metadata
from llm_studio.probes.doctor.system import System

INDEX = "https://download.pytorch.org/whl"
COMPANIONS = ("torchvision", "torchaudio")


@dataclass(frozen=True, slots=True)
class Build:
    """A PyTorch: its version, and for what it was built."""

    version: str
    backend: Literal["cuda", "rocm", "cpu", "?"]
    cuda: Version | None = None

    @property
    def told(self) -> str:
        made_for = (
            f"CUDA {told(self.cuda)}"
            if self.cuda
            else {"rocm": "ROCm", "cpu": "the processor"}.get(self.backend, "an unknown platform")
        )
        return f"torch {self.version}, built for {made_for}"


def torch_in(system: System, environment: Environment) -> Build | None:
    package = environment.packages.get("torch")
    if package is None:
        return None
    try:
        source = system.read(package.site / "torch" / "version.py")
    except OSError:
        source = ""
    said = re.search(r"^cuda(?::[^=]*)? = (.+)$", source, re.MULTILINE)
    if re.search(r"^hip(?::[^=]*)? = '", source, re.MULTILINE) or package.local.startswith("rocm"):
        return Build(package.base, "rocm")
    cuda = version_in(said[1].strip("'\" ")) if said and said[1] != "None" else None
    by_name = re.fullmatch(r"cu(\d{2,3})", package.local)
    if cuda is None and by_name:
        cuda = (int(by_name[1][:-1]), int(by_name[1][-1]))
    if cuda is None:
        needs = re.search(
            r"^Requires-Dist: nvidia-cuda-runtime(?:-cu\d+)? ?\(?==(\d+)\.(\d+)",
            metadata(system, package),
            re.MULTILINE,
        )
        cuda = (int(needs[1]), int(needs[2])) if needs and not said else None
    if cuda:
        return Build(package.base, "cuda", cuda)
    known = bool(said) or package.local == "cpu"
    return Build(package.base, "cpu" if known else "?")


def reinstall(environment: Environment, build: str) -> str:
    """The command that puts in PyTorch as it is built for `cu128`, `rocm6.4` …"""
    words = ["torch", *(name for name in COMPANIONS if name in environment.packages)]
    return environment.install(f"{' '.join(words)} --index-url {INDEX}/{build}")
