"""How fast do models come from their disk?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, ok, warning
from llm_studio.probes.doctor.mounts import mount_of
from llm_studio.probes.doctor.system import System

SLOW = 250e6
"""Bytes per second that neither hard disks nor gigabit networks reach."""
SMALL = 16 << 20
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "fuse.rclone", "9p"}


def look(system: System) -> Iterator[Finding]:
    models = [model for model in system.models() if system.may(model.path)]
    largest = max(models, key=lambda model: model.size, default=None)
    if largest is None or largest.size < SMALL:
        yield ok("not measured: no model file is large enough")
        return
    speed = system.speed(largest.path)
    if not speed.bytes:
        yield ok("not measured: nothing could be read in time")
        return
    rate = speed.rate
    mount = mount_of(system, largest.path)
    kind = mount.kind if mount else ""
    per_20 = 20e9 / rate
    told = f"{rate / 1e6:,.0f} MB/s"
    how = f"{speed.bytes / 1e6:,.0f} MB of {largest.name}, {speed.how}"
    if kind in ("tmpfs", "ramfs"):
        yield ok(f"{told}, in memory ({kind}); {how}")
    elif kind == "9p" or (kind == "drvfs" and rate < 1e9):
        yield warning(
            f"{told}, from Windows' disk through WSL; {how}",
            f"A model of 20 GB takes {_time(per_20)} to load; Linux's own disk is much faster.",
            ("mkdir -p ~/models", "llm-studio config models ~/models"),
            "Then move the model files there.",
        )
    elif rate < SLOW:
        over = f" over the network ({kind})" if kind in _NETWORK else ""
        yield warning(
            f"{told}{over}; {how}",
            f"A model of 20 GB takes {_time(per_20)} to load.",
            ("lsblk -d -o NAME,ROTA,SIZE,MODEL",) if system.platform == "linux" else (),
            "Keep the models that you switch between on an SSD of this machine.",
        )
    else:
        yield ok(f"{told}: 20 GB in {_time(per_20)}; {how}")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


CHECK = Check("models.speed", "Reading speed", Group.MODELS, 20, look)
