"""What goes with what: drivers, CUDA versions and the generations of NVIDIA's GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Version = tuple[int, int]

_FIRST: Mapping[int, Version] = {
    5: (6, 5), 6: (8, 0), 7: (9, 0), 8: (11, 0), 9: (11, 8), 10: (12, 8), 11: (13, 0), 12: (12, 8),
}  # fmt: skip
"""The CUDA version that first made code for a generation (the compute capability's major part)."""
_LAST_BEFORE = (13, 0)
_OLDEST_IN_13 = (7, 5)
DRIVER_FOR: Mapping[int, str] = {11: "450.80", 12: "525.60", 13: "580.65"}
"""The oldest Linux driver that runs any program of a CUDA major version."""


def version_in(text: object) -> Version | None:
    """`12.8.1` as (12, 8); `13` as (13, 0)."""
    found = re.match(r"\D*?(\d{1,3})(?:\.(\d{1,3}))?", str(text)) if text else None
    return (int(found[1]), int(found[2] or 0)) if found else None


def told(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def runs(cuda: Version, driver: Version) -> bool:
    """Whether a driver runs what was built with a CUDA version: the major part decides."""
    return cuda[0] <= driver[0]


def makes_code_for(cuda: Version, capability: Version) -> bool:
    """Whether this CUDA version can make code for a GPU at all."""
    too_old = cuda < _FIRST.get(capability[0], (0, 0))
    return not too_old and not (cuda >= _LAST_BEFORE and capability < _OLDEST_IN_13)


def needed_for(capability: Version) -> str:
    """Which CUDA versions serve a GPU, in words."""
    if capability < _OLDEST_IN_13:
        return "CUDA 12 (13 has dropped it)"
    return f"CUDA {told(_FIRST.get(capability[0], (12, 8)))} or newer"


def covers(architectures: Iterable[str], capability: Version) -> str:
    """How code for these architectures runs on a GPU: "code", "jit" (compiled at the first start,
    which takes minutes) or "" (not at all)."""
    best = ""
    for architecture in architectures:
        found = re.fullmatch(r"(?:sm_|compute_)?(\d{2,3})([af]?)(-real|-virtual)?", architecture)
        if not found:
            if architecture in ("all", "all-major", "default"):
                return "code"
            continue
        number = int(found[1])
        made_for = (number // 10, number % 10)
        virtual = found[3] == "-virtual" or architecture.startswith("compute_")
        same = made_for[0] == capability[0] and made_for <= capability
        if found[2] == "a":
            same = made_for == capability
        if same and not virtual:
            return "code"
        if made_for <= capability and found[3] != "-real" and not found[2]:
            best = "jit"
    return best


_WHEELS: tuple[Version, ...] = ((13, 0), (12, 8), (12, 6), (11, 8))


def wheels_for(driver: Version, capabilities: Iterable[Version]) -> str | None:
    """The newest build of PyTorch (as in its index: cu128) that driver and GPUs run."""
    capabilities = tuple(capabilities)
    for cuda in _WHEELS:
        fits = cuda <= driver or (cuda in ((12, 6), (11, 8)) and runs(cuda, driver))
        if fits and all(makes_code_for(cuda, each) for each in capabilities):
            # From 12.8 on, PyTorch leaves out what is older than Turing.
            if cuda >= (12, 8) and any(each < _OLDEST_IN_13 for each in capabilities):
                continue
            return f"cu{cuda[0]}{cuda[1]}"
    return None
