"""AMD GPUs, through the files of the driver `amdgpu`; no library and no tool is needed."""

from __future__ import annotations

from pathlib import Path

from llm_studio.probes.gpu import Found, Reading
from llm_studio.probes.pci_names import SHARE, sold_as
from llm_studio.probes.sysfs import Sensors, asleep, cards, link, number, text


def probe() -> Amd:
    return Amd(Path("/sys"))


class Amd:
    kind = "amd"

    def __init__(self, root: Path, share: Path = SHARE) -> None:
        self._root = root
        self._share = share

    def look(self) -> Found:
        devices = cards(self._root, ("amdgpu",))
        named = ((device, sold_as(device, self._share)) for device in devices)
        return Found(tuple(AmdGpu(index, *each) for index, each in enumerate(named)))

    def close(self) -> None:
        return


class AmdGpu:
    def __init__(self, index: int, device: Path, sold_as: str | None) -> None:
        self._device = device
        self._sensors = Sensors(device)
        model = text(device / "product_name")
        numbers = f"{text(device / 'vendor')}:{text(device / 'device')}".replace("0x", "")
        self._fixed: Reading = {
            "kind": "amd",
            "index": index,
            "name": model or sold_as or f"AMD GPU {numbers}",
            "uuid": text(device / "unique_id") or "",
            "pci": device.name,
        }

    def memory(self) -> Reading:
        if not self._device.exists():
            hint = "`sudo dmesg | grep amdgpu` tells more."
            return {**self._fixed, "fault": "The GPU was taken away", "hint": hint}
        total = number(self._device / "mem_info_vram_total")
        used = number(self._device / "mem_info_vram_used")
        free = total - used if total is not None and used is not None else None
        return {**self._fixed, "memory_total": total, "memory_used": used, "memory_free": free}

    def read(self) -> Reading:
        if self._device.exists() and asleep(self._device):
            return dict(self._fixed)
        device, sensors = self._device, self._sensors
        return {
            **self.memory(),
            **link(device),
            "utilisation": number(device / "gpu_busy_percent"),
            "memory_load": number(device / "mem_busy_percent"),
            "temperature": sensors.temperature("junction", "edge"),
            "memory_temperature": sensors.temperature("mem"),
            "fan": sensors.fan(),
            "power": sensors.watts("power1_average", "power1_input"),
            "power_limit": sensors.watts("power1_cap"),
            "clock": sensors.megahertz("freq1_input"),
            "memory_clock": sensors.megahertz("freq2_input"),
        }
