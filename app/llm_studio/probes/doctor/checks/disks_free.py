"""Is there room where models, state and images are written?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.mounts import mount_of
from llm_studio.probes.doctor.system import System, exists

GiB = 1 << 30
_LEAST = {"models": 20 * GiB, "docker": 10 * GiB, "state": 1 * GiB}


def look(system: System) -> Iterator[Finding]:
    told = []
    found = []
    for part, folder in _places(system):
        try:
            space = system.space(folder)
        except OSError:
            continue
        told.append(f"{part} {space.free / GiB:,.0f} GiB")
        finding = _full(part, folder, space.free)
        if finding:
            found.append(finding)
        mount = mount_of(system, folder)
        if part == "state" and mount and mount.read_only:
            found.append(
                fault(
                    f"the disk of {folder} cannot be written ({mount.place} is mounted read-only)",
                    "Nothing can be kept: no settings, no log, no job.",
                    (f"sudo mount -o remount,rw {shlex.quote(mount.place)}",),
                    "A disk turns so after an error: `sudo dmesg` tells.",
                    part="read-only",
                )
            )
    yield from found or [ok("free: " + ", ".join(told) if told else "could not be read")]


def _full(part: str, folder: Path, free: int) -> Finding | None:
    least = _LEAST[part]
    if free >= least:
        return None
    about = {
        "models": "A download of a model needs up to 80 GiB.",
        "docker": "An image with CUDA needs 5 to 10 GiB.",
        "state": "Logs, jobs and results are kept there.",
    }[part]
    commands = {
        "models": ("llm-studio files", f"df -h {shlex.quote(str(folder))}"),
        "docker": ("docker system df", "docker image prune"),
        "state": (f"df -h {shlex.quote(str(folder))}",),
    }[part]
    tell = fault if part == "state" and free < 50 << 20 else warning
    return tell(f"{folder}: {free / GiB:.1f} GiB free", about, commands, part=part)


def _places(system: System) -> Iterator[tuple[str, Path]]:
    yield "models", _existing(system, system.settings.models[0])
    yield "state", _existing(system, system.settings.paths.state)
    try:
        root = Path(str(system.docker.info().get("DockerRootDir") or ""))
    except StudioError:
        return
    if root.is_absolute() and exists(system, root):
        yield "docker", root


def _existing(system: System, folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    return next((each for each in (folder, *folder.parents) if exists(system, each)), Path("/"))


CHECK = Check("disk.free", "Free space", Group.MODELS, 30, look)
