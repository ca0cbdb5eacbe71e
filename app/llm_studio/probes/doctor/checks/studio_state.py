"""Can the studio keep what it has to keep?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.mounts import mount_of
from llm_studio.probes.doctor.system import System, exists

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "drvfs")


def look(system: System) -> Iterator[Finding]:
    paths = system.settings.paths
    places = dict.fromkeys((paths.state, paths.config_file.parent, paths.profiles, paths.cache))
    closed = {}
    for folder in places:
        there = _existing(system, folder)
        if not system.may(there, write=True):
            closed[there] = folder
    for there, folder in closed.items():
        yield fault(
            f"{there} cannot be written by you",
            f"llm-studio keeps settings, logs and jobs in {folder}.",
            (f'sudo chown -R "$USER" {shlex.quote(str(there))}',)
            if there == folder
            else (f'sudo install -d -o "$USER" {shlex.quote(str(folder))}',),
            "Or choose another place: LLM_STUDIO_HOME=/path",
            part="rights",
        )
    if closed:
        return
    mount = mount_of(system, paths.state)
    if mount and mount.kind in _NETWORK:
        yield warning(
            f"{paths.state} is on a network file system ({mount.kind})",
            "Sockets and locks, which tell studios apart, do not work well there.",
            ("export LLM_STUDIO_HOME=/var/tmp/llm-studio",),
            "Choose a folder on a disk of this machine.",
        )
    else:
        yield ok(f"kept in {paths.state}")


def _existing(system: System, folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if exists(system, each)), Path("/"))


CHECK = Check("studio.state", "State folder", Group.STUDIO, 30, look)
