"""The machine itself: processors, memory, swap, disk, network, and the engine's part of memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from llm_studio.probes.lane import Lane

Reading = dict[str, Any]
"""Fields of `schema.HostSample` by name."""
DISK_EVERY = 10.0
FAMILY_EVERY = 10.0
"""Seconds after which the engine's child processes are looked for again."""


class HostProbe:
    """Each reading is one pass over what the system counts anyway. For one thread at a time."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._disk = Lane("disk", self._measure_disk)
        self._disk_read = 0.0
        self._disk_known: Reading = {}
        self._traffic: tuple[float, int, int] | None = None
        self._primed = False
        self._families: dict[int, tuple[float, tuple[int, ...]]] = {}
        self.engine_pids: frozenset[int] = frozenset()
        """The processes of the engines, as they were at the last reading."""

    def read(self, engines: tuple[int, ...] = ()) -> Reading:
        """The machine now; `engines` are the numbers of the engines' processes here."""
        reading: Reading = {"time": time.time()}
        for part in (self._processors, self._memory, self._swap, self._network):
            with contextlib.suppress(psutil.Error, OSError, ValueError, RuntimeError):
                reading.update(part())
        reading.update(self._disk_now())
        self._families = {pid: self._family(pid) for pid in engines}
        self.engine_pids = frozenset(pid for _, pids in self._families.values() for pid in pids)
        reading.update(memory_of(self.engine_pids))
        return reading

    def _processors(self) -> Reading:
        cores = psutil.cpu_percent(percpu=True)
        load = os.getloadavg()[0]
        if not self._primed:  # percent since when? The first answer means nothing
            self._primed = True
            return {"load": load}
        return {"cores": cores, "cpu": sum(cores) / max(len(cores), 1), "load": load}

    def _memory(self) -> Reading:
        memory = psutil.virtual_memory()
        return {
            "memory_total": memory.total,
            "memory_available": memory.available,
            "memory_used": memory.used,
        }

    def _swap(self) -> Reading:
        swap = psutil.swap_memory()
        return {"swap_total": swap.total, "swap_used": swap.used}

    def _network(self) -> Reading:
        """What came and went over real interfaces: a container's traffic is not counted twice."""
        counted = psutil.net_io_counters(pernic=True)
        real = [name for name in counted if Path(f"/sys/class/net/{name}/device").exists()]
        names = real or [name for name in counted if not name.startswith("lo")]
        received = sum(counted[name].bytes_recv for name in names)
        sent = sum(counted[name].bytes_sent for name in names)
        now = time.monotonic()
        before, self._traffic = self._traffic, (now, received, sent)
        if before is None or now <= before[0] or received < before[1] or sent < before[2]:
            return {}
        seconds = now - before[0]
        return {"received": (received - before[1]) / seconds, "sent": (sent - before[2]) / seconds}

    def _disk_now(self) -> Reading:
        """The disk as it was seen last: one that hangs (a network's) holds up nothing else."""
        if not self._disk.busy and time.monotonic() - self._disk_read > DISK_EVERY:
            self._disk_read = time.monotonic()
            asked = self._disk.ask()
            with contextlib.suppress(Exception):
                asked.result(0.05)
        return self._disk_known

    def _measure_disk(self) -> None:
        folder = self._models
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent  # where it would be made
        try:
            usage = psutil.disk_usage(str(folder))
        except OSError:
            self._disk_known = {"disk": str(self._models)}
            return
        self._disk_known = {
            "disk": str(self._models), "disk_total": usage.total, "disk_free": usage.free
        }  # fmt: skip

    def _family(self, pid: int) -> tuple[float, tuple[int, ...]]:
        """The process and those that it started; in a container the first is only an init."""
        looked, members = self._families.get(pid, (-FAMILY_EVERY, ()))
        if time.monotonic() - looked > FAMILY_EVERY:
            looked, members = time.monotonic(), (pid,)
            with contextlib.suppress(psutil.Error, OSError):
                children = psutil.Process(pid).children(recursive=True)
                members = (pid, *(child.pid for child in children))
        return looked, members

    def close(self) -> None:
        self._disk.close()


def memory_of(pids: Iterable[int]) -> Reading:
    """What processes have in host memory, their own and that of mapped files.

    From the kernel's counters, which any user may read and which cost nothing; `smaps_rollup`
    walks every page, which for a model of 100 GB takes long and holds up the engine.
    """
    own = mapped = 0
    found = False
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        except OSError:
            continue
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssFile", "RssShmem"):
                size = int(value.split()[0]) * 1024
                found = True
                if name == "RssFile":
                    mapped += size
                else:
                    own += size
    return {"engine_memory": own, "engine_mapped": mapped} if found else {}
