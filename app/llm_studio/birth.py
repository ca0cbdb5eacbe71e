"""Knows a process again by when it was started: numbers of processes come again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil


def birth(pid: int) -> str:
    """When it was started, by Linux's clock that nobody sets; "" where there is none. By the time
    of day, all would look dead once a machine that slept has set its clock."""
    with contextlib.suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace")  # its name may hold anything
        return f"{boot} {told.rpartition(')')[2].split()[19]}"
    return ""


def born(pid: int) -> float:
    """The same by the time of day, for systems that tell no other; 0 where it has ended."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def same_process(pid: int, born: float, birth_then: str) -> psutil.Process | None:
    """The process of this number, if it is still the one that was started then."""
    try:
        process = psutil.Process(pid)
        same = birth(pid) == birth_then if birth_then else abs(process.create_time() - born) <= 1
        if not same or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    return process
