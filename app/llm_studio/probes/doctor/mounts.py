"""Which file system a path is on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llm_studio.probes.doctor.system import System


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the system's list of mounts."""

    place: str
    kind: str
    read_only: bool


def mount_of(system: System, path: Path) -> Mount | None:
    """The innermost mount above a path; None where the system keeps no such list."""
    try:
        lines = system.read("/proc/self/mounts").splitlines()
    except OSError:
        return None
    best: Mount | None = None
    for line in lines:
        words = line.split()
        if len(words) < 4:
            continue
        place = words[1].replace("\\040", " ")
        above = Path(place) == path or Path(place) in path.parents
        if above and (best is None or len(place) >= len(best.place)):
            best = Mount(place, words[2], "ro" in words[3].split(","))
    return best
