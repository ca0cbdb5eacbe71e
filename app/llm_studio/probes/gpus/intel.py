"""Intel GPUs, through the files of the drivers `xe` and `i915`.

Neither tells there how much memory is used, nor how busy the GPU is.
"""

from __future__ import annotations

import time
from pathlib import Path

from llm_studio.probes.gpu import Found, Reading
from llm_studio.probes.pci_names import SHARE, sold_as
from llm_studio.probes.sysfs import Sensors, asleep, cards, link, number, text

_CLOCKS = ("tile0/gt0/freq0/act_freq", "drm/card*/gt_act_freq_mhz")


def probe() -> Intel:
    return Intel(Path("/sys"))


class Intel:
    kind = "intel"

    def __init__(self, root: Path, share: Path = SHARE) -> None:
        self._root = root
        self._share = share

    def look(self) -> Found:
        devices = cards(self._root, ("xe", "i915"))
        named = ((device, sold_as(device, self._share)) for device in devices)
        return Found(tuple(IntelGpu(index, *each) for index, each in enumerate(named)))

    def close(self) -> None:
        return


class IntelGpu:
    def __init__(self, index: int, device: Path, sold_as: str | None) -> None:
        self._device = device
        self._sensors = Sensors(device)
        self._energy: tuple[float, float] | None = None
        numbers = f"{text(device / 'vendor')}:{text(device / 'device')}".replace("0x", "")
        self._fixed: Reading = {
            "kind": "intel",
            "index": index,
            "name": sold_as or f"Intel GPU {numbers}",
            "pci": device.name,
        }

    def memory(self) -> Reading:
        return dict(self._fixed)

    def read(self) -> Reading:
        if not self._device.exists():
            hint = "`sudo dmesg` tells more."
            return {**self._fixed, "fault": "The GPU was taken away", "hint": hint}
        if asleep(self._device):
            return dict(self._fixed)
        return {
            **self._fixed,
            **link(self._device),
            "temperature": self._sensors.temperature("pkg", "package"),
            "memory_temperature": self._sensors.temperature("vram"),
            "power": self._power(),
            "power_limit": self._sensors.watts("power1_max"),
            "clock": self._clock(),
        }

    def _clock(self) -> int | None:
        for pattern in _CLOCKS:
            for path in self._device.glob(pattern):
                return number(path)
        return None

    def _power(self) -> float | None:
        """The driver counts energy, so power is what was used since the reading before."""
        joules, now = self._sensors.joules(), time.monotonic()
        before, self._energy = self._energy, (joules, now) if joules is not None else None
        if before is None or joules is None or joules < before[0] or now <= before[1]:
            return None
        return (joules - before[0]) / (now - before[1])
