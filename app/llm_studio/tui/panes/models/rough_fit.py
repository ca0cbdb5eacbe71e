"""Whether a download would fit this machine: a rough guess from sizes, before there is a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from llm_studio.tui.figures import gib
from llm_studio.tui.widgets.painted import Part

GiB = 1 << 30
BESIDE = 3 * GiB // 2
"""Bytes for context and computing, when the context is modest."""
FOR_OTHERS = 0.75
"""The part of the machine's own memory that a model may take."""
ON_A_PROCESSOR = 12
"""The largest class of models, in GB, that a processor alone makes bearable."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of this machine, in bytes; in use or not, for what is served now can end."""

    gpus: tuple[int, ...] = ()
    host: int = 0
    shared: bool = False
    """Whether GPU and processor have the same memory."""

    @classmethod
    def of(cls, sample: Mapping[str, Any] | None) -> Self | None:
        """As a sample tells it; nothing where that is not known."""
        if sample is None:
            return None
        gpus = [gpu.get("memory_total") for gpu in sample.get("gpus", ())]
        host = (sample.get("host") or {}).get("memory_total")
        known = tuple(total for total in gpus if total)
        if len(known) < len(gpus) or not (known or host):
            return None
        shared = any(gpu.get("kind") == "apple" for gpu in sample.get("gpus", ()))
        return cls(known, host or 0, shared)

    @property
    def told(self) -> str:
        gpus = f"GPU {' + '.join(map(gib, self.gpus))} GiB" if self.gpus else "no GPU"
        return gpus if self.shared or not self.host else f"{gpus}, host {gib(self.host)} GiB"


def guess(size: int, memory: Memory | None) -> Part:
    """In a few words, how a model file of so many bytes may fit."""
    if memory is None or not size:
        return ("", "")
    need, whole = size + BESIDE, sum(memory.gpus)
    if any(need <= gpu for gpu in memory.gpus):
        return ("one GPU", "good")
    if need + BESIDE <= whole and len(memory.gpus) > 1:
        return (f"{len(memory.gpus)} GPUs", "good")
    host = 0 if memory.shared else round(memory.host * FOR_OTHERS)
    if need <= whole + host:
        return ("partly on CPU" if memory.gpus else "CPU", "warn")
    return ("too big", "bad")


def class_of(tags: list[str]) -> int:
    """The GB that a shipped profile is meant for, as its tag tells; 0 where none does."""
    found = [int(tag[:-2]) for tag in tags if tag.endswith("gb") and tag[:-2].isdecimal()]
    return max(found, default=0)


def suits(tags: list[str], memory: Memory | None) -> bool:
    """Whether a shipped profile is meant for a machine like this, or a smaller one."""
    wanted = class_of(tags)
    if not memory or not memory.gpus:
        bearable = 0 < wanted <= ON_A_PROCESSOR
        return "cpu" in tags or (bearable and _host_holds(wanted, memory))
    return 0 < wanted <= round(sum(memory.gpus) / GiB)


def _host_holds(wanted: int, memory: Memory | None) -> bool:
    return memory is None or wanted * GiB <= memory.host * FOR_OTHERS
