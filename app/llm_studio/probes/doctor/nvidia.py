"""NVIDIA's driver and GPUs, as the checks see them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llm_studio.probes.doctor.cuda import Version
from llm_studio.probes.doctor.system import System

ASK = (sys.executable, "-m", "llm_studio.probes.doctor.ask_nvml")

Trouble = Literal[
    "", "no library", "not loaded", "mismatch", "denied", "hangs", "crashed", "not asked", "other"
]
_TROUBLES: Mapping[int, Trouble] = {
    12: "no library", 9: "not loaded", 18: "mismatch", 4: "denied", 13: "mismatch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; `lost` says why the driver cannot use it."""

    index: int
    name: str = ""
    capability: Version | None = None
    lost: str = ""
    prohibited: bool = False
    rows_pending: bool = False
    rows_failed: bool = False
    fabric_waits: bool = False

    @property
    def told(self) -> str:
        return f"GPU {self.index} ({self.name})" if self.name else f"GPU {self.index}"


@dataclass(frozen=True, slots=True)
class Nvidia:
    """What the driver said, or why it said nothing."""

    trouble: Trouble = ""
    told: str = ""
    driver: str = ""
    cuda: Version | None = None
    gpus: tuple[Gpu, ...] = ()

    @property
    def usable(self) -> tuple[Gpu, ...]:
        return tuple(gpu for gpu in self.gpus if not gpu.lost)

    @property
    def capabilities(self) -> tuple[Version, ...]:
        return tuple(gpu.capability for gpu in self.usable if gpu.capability)


def nvidia(system: System) -> Nvidia:
    ran = system.run(*ASK, limit=6)
    if ran.trouble == "slow":
        return Nvidia("hangs")
    if ran.code is None:
        return Nvidia("not asked", ran.out or "Python cannot be started")
    if ran.code < 0 or ran.code >= 128:
        return Nvidia("crashed", f"exit code {ran.code}")
    if ran.code:
        return Nvidia("not asked", ran.out.strip().rpartition("\n")[2])
    try:
        answer = json.loads(ran.out.strip().rpartition("\n")[2])
        if answer.get("error"):
            number = int(answer["error"])
            return Nvidia(_TROUBLES.get(number, "other"), str(answer.get("told")))
        cuda = int(answer.get("cuda") or 0)
        return Nvidia(
            driver=str(answer.get("driver") or ""),
            cuda=(cuda // 1000, cuda % 1000 // 10) if cuda else None,
            gpus=tuple(_gpu(index, each) for index, each in enumerate(answer.get("gpus") or ())),
        )
    except (ValueError, TypeError, AttributeError):
        return Nvidia("other", ran.out.strip()[-200:])


def _gpu(index: int, told: Mapping[str, Any]) -> Gpu:
    if told.get("error"):
        return Gpu(index, lost=str(told.get("told") or told["error"]))
    capability = told.get("capability")
    return Gpu(
        index,
        str(told.get("name") or ""),
        (int(capability[0]), int(capability[1])) if capability else None,
        prohibited=told.get("compute_mode") == 2,
        rows_pending=bool(told.get("rows_pending")),
        rows_failed=bool(told.get("rows_failed")),
        fabric_waits=told.get("fabric") in (1, 2),
    )
