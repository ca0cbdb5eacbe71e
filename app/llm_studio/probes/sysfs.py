"""Linux's own files about GPUs. A file that is missing or says no number is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from llm_studio.probes.gpu import Reading
from llm_studio.text import untrusted_line

_CARD = re.compile(r"card\d+")


def cards(root: Path, drivers: tuple[str, ...]) -> Iterator[Path]:
    """The device folders of the GPUs that one of these drivers runs, by their PCI addresses."""
    found = {}
    try:
        for card in (root / "class/drm").iterdir():
            device = (card / "device").resolve()
            if _CARD.fullmatch(card.name) and (device / "driver").resolve().name in drivers:
                found[device.name] = device
    except OSError:
        return
    for _, device in sorted(found.items()):
        yield device


def text(path: Path) -> str | None:
    try:
        return untrusted_line(path.read_text(errors="replace").strip()) or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    found = text(path)
    try:
        return int(found) if found else None
    except ValueError:
        return None


def asleep(device: Path) -> bool:
    """Whether it is powered down; to read its sensors would wake it."""
    return text(device / "power/runtime_status") == "suspended"


def link(device: Path) -> Reading:
    """The PCIe link, now and at best."""
    return {
        "pcie_generation": _generation(text(device / "current_link_speed")),
        "pcie_generation_max": _generation(text(device / "max_link_speed")),
        "pcie_width": number(device / "current_link_width"),
        "pcie_width_max": number(device / "max_link_width"),
    }


_GENERATIONS = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}


def _generation(speed: str | None) -> int | None:
    return _GENERATIONS.get((speed or "").split(" ")[0])


class Sensors:
    """The temperatures, fan, power and clocks that a GPU's driver offers as `hwmon`."""

    def __init__(self, device: Path) -> None:
        self._folder = next(iter(sorted(device.glob("hwmon/hwmon*"))), device / "hwmon")

    def temperature(self, *labels: str) -> float | None:
        """Of the first sensor that bears one of the labels, in °C."""
        for label in labels:
            for path in sorted(self._folder.glob("temp*_label")):
                if text(path) == label:
                    return scaled(number(path.with_name(path.name[:-5] + "input")), 1000)
        return None

    def fan(self) -> float | None:
        """Percent of its full speed."""
        drive = number(self._folder / "pwm1")
        return round(drive / 2.55) if drive is not None else None

    def watts(self, *names: str) -> float | None:
        for name in names:
            found = number(self._folder / name)
            if found is not None:
                return found / 1e6
        return None

    def joules(self) -> float | None:
        """Energy since it was switched on, of all sensors together."""
        return scaled(number(self._folder / "energy1_input"), 1_000_000)

    def megahertz(self, name: str) -> float | None:
        return scaled(number(self._folder / name), 1_000_000)


def scaled(value: int | None, by: int) -> float | None:
    return value / by if value is not None else None
