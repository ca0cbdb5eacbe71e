"""Do the limits of this session let an engine open its files and lock its memory?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.system import System
from llm_studio.profiles.catalogue import Catalogue


def look(system: System) -> Iterator[Finding]:
    found = [*_files(system), *_address_space(system), *_processes(system), *_locked(system)]
    limits = system.limits()
    yield from found or [
        ok(f"{_told(limits.get('files'))} files, {_size(limits.get('locked'))} locked memory")
    ]


def _files(system: System) -> Iterator[Finding]:
    files = system.limits().get("files")
    if files is not None and files < 1024:
        tell = fault if files < 128 else warning
        yield tell(
            f"a program may open {files} files",
            "A gateway with many clients, or a model of many shards, needs more.",
            ("ulimit -n 4096",),
            "That holds for this shell; /etc/security/limits.d keeps it for the next."
            if system.platform == "linux"
            else "That holds for this shell; put it into your shell's profile.",
            part="files",
        )


def _address_space(system: System) -> Iterator[Finding]:
    most = system.limits().get("address_space")
    if most is not None:
        yield fault(
            f"a program may use {_size(most)} of address space",
            "Model files are mapped whole, and CUDA reserves far more than there is.",
            ("ulimit -v unlimited",),
            "If that is refused, the limit is set in /etc/security/limits.conf.",
            part="address",
        )


def _processes(system: System) -> Iterator[Finding]:
    most = system.limits().get("processes")
    if most is not None and most < 512:
        yield warning(
            f"you may have {most} processes and threads",
            "An engine alone starts dozens of threads, and fails with “resource unavailable”.",
            ("ulimit -u 4096",),
            part="processes",
        )


def _locked(system: System) -> Iterator[Finding]:
    """Only mlock needs it; whoever does not use it is spared the warning."""
    locked = system.limits().get("locked")
    if locked is None:
        return
    wanting = [
        entry.id
        for entry in Catalogue.load(system.settings.paths.profiles)
        if entry.profile and not entry.shipped and "mlock" in (entry.profile.server.load_mode or "")
    ]
    if wanting:
        yield warning(
            f"{_size(locked)} may be locked, but {wanting[0]} wants to lock its model",
            "llama.cpp then goes on without the lock, and the system may swap the model out. "
            "(Containers get the right from Docker, unless it is rootless.)",
            ("ulimit -l unlimited",),
            "If that is refused: `* - memlock unlimited` in /etc/security/limits.d, or set "
            'load_mode = "mmap" in the profile.',
            part="locked",
        )


def _told(limit: int | None) -> str:
    return "unlimited" if limit is None else f"{limit:,}"


def _size(limit: int | None) -> str:
    if limit is None:
        return "unlimited"
    return f"{limit / (1 << 30):.1f} GiB" if limit >= 1 << 30 else f"{limit / (1 << 20):.0f} MiB"


CHECK = Check("machine.limits", "Limits", Group.MACHINE, 20, look)
