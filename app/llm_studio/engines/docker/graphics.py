"""GPUs that are no NVIDIA's: handed to a container as device files, and to its user as groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DEVICES = Path("/dev")
_USES_THEM = re.compile(r"rocm|vulkan|intel|sycl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Graphics:
    """Device files, and the groups that may open them."""

    files: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def graphics(image: str, devices: Path = DEVICES) -> Graphics:
    """What an image of this name needs; one for NVIDIA or for the processor gets nothing."""
    if not _USES_THEM.search(image):
        return Graphics()
    found = [*devices.glob("kfd"), *sorted(devices.glob("dri/renderD*"))]
    groups = dict.fromkeys(str(path.stat().st_gid) for path in found)
    return Graphics(tuple(map(str, found)), tuple(groups))
