"""Is there enough memory to load models, and room for the unexpected?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from llm_studio.probes.doctor.distribution import distribution
from llm_studio.probes.doctor.finding import Check, Finding, Group, ok, warning
from llm_studio.probes.doctor.system import System, first_line

GiB = 1 << 30


def look(system: System) -> Iterator[Finding]:
    memory = system.memory()
    told = f"{memory.total / GiB:.1f} GiB, {memory.available / GiB:.1f} GiB available"
    swap_used = memory.swap_total - memory.swap_free
    if memory.available < max(2 * GiB, min(memory.total // 20, 8 * GiB)):
        yield warning(
            f"{told}: little is free",
            "A model that does not fit into free memory is read from disk again and again, or the "
            "system kills the engine.",
            ("ps aux --sort=-rss | head",) if system.platform != "darwin" else ("top -o mem",),
            "Close what is not needed, or choose a smaller model.",
        )
    elif memory.total < 7 * GiB:
        yield warning(
            told,
            "Models above some 4 GiB will not fit beside the system.",
            (),
            _more(system) or "Choose small models: `llm-studio list --here`.",
        )
    elif system.platform == "linux" and swap_used > memory.swap_total * 0.8:
        yield warning(
            f"{told}, {swap_used / GiB:.1f} of {memory.swap_total / GiB:.1f} GiB swap in use",
            "The system is moving memory to disk; everything is slow meanwhile.",
            ("swapon --show",),
            "Close what is not needed, or choose a smaller model.",
        )
    elif not memory.swap_total and memory.total < 16 * GiB and system.platform == "linux":
        yield warning(
            f"{told}, no swap",
            "When memory runs out, the system kills a program at once, mostly the engine.",
            (
                "sudo fallocate -l 8G /swapfile",
                "sudo chmod 600 /swapfile",
                "sudo mkswap /swapfile",
                "sudo swapon /swapfile",
            ),
            "A line in /etc/fstab keeps it: /swapfile none swap sw 0 0",
        )
    else:
        swap = f", {memory.swap_total / GiB:.1f} GiB swap" if memory.swap_total else ", no swap"
        yield ok(told + swap)
    yield from _limited(system, memory.total)
    if first_line(system, "/proc/sys/vm/overcommit_memory") == "2":
        yield warning(
            "the system promises no more memory than it has (vm.overcommit_memory = 2)",
            "Engines reserve far more than they use, as CUDA does, and are refused.",
            ("sudo sysctl vm.overcommit_memory=0",),
            part="overcommit",
        )


def _more(system: System) -> str:
    if system.platform == "linux" and distribution(system).wsl:
        return (
            "WSL gets half of Windows' memory; [wsl2] memory=… in %UserProfile%\\.wslconfig gives "
            "it more, after `wsl.exe --shutdown`."
        )
    return ""


def _limited(system: System, total: int) -> Iterator[Finding]:
    """The limit of a container, a session or a service, which the total does not show."""
    said = [first_line(system, path) for path in _limit_files(system)]
    least = min((int(limit) for limit in said if limit.isdigit()), default=total)
    if least < total * 0.9:
        yield warning(
            f"what is started from here may use {least / GiB:.1f} GiB of them",
            "Beyond that the system kills it, the engine too.",
            ('sudo systemctl set-property "user-$(id -u).slice" MemoryMax=infinity',),
            "In a container: start it with a higher --memory. In a service: raise its MemoryMax.",
            part="limit",
        )


def _limit_files(system: System) -> Iterator[str]:
    """Of our control group and of those above it (version 2), or of the container (version 1)."""
    try:
        lines = system.read("/proc/self/cgroup").splitlines()
    except OSError:
        lines = []
    own = next((line[3:] for line in lines if line.startswith("0::/")), "/")
    for group in (PurePosixPath(own), *PurePosixPath(own).parents):
        yield f"/sys/fs/cgroup{str(group).rstrip('/')}/memory.max"
    yield "/sys/fs/cgroup/memory/memory.limit_in_bytes"


CHECK = Check("machine.memory", "Memory", Group.MACHINE, 10, look)
