"""GPUs as the bus shows them, whether or not a driver serves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from llm_studio.probes.doctor.system import System, exists, first_line

NVIDIA, AMD, INTEL = "0x10de", "0x1002", "0x8086"
_PCI = "/sys/bus/pci/devices"


@dataclass(frozen=True, slots=True)
class Card:
    """One display or compute device on the PCI bus."""

    address: str
    vendor: str
    driver: str
    """The kernel's driver that has it: nvidia, nouveau, amdgpu, vfio-pci …; or none."""


def cards(system: System) -> tuple[Card, ...]:
    try:
        addresses = sorted(system.names(_PCI))
    except OSError:
        return ()
    found = []
    for address in addresses:
        kind = first_line(system, f"{_PCI}/{address}/class")
        if kind[:4] != "0x03" and kind[:6] != "0x1200":
            continue
        try:
            driver = PurePosixPath(system.link(f"{_PCI}/{address}/driver")).name
        except OSError:
            driver = ""
        found.append(Card(address, first_line(system, f"{_PCI}/{address}/vendor"), driver))
    return tuple(found)


def of(system: System, vendor: str) -> tuple[Card, ...]:
    return tuple(card for card in cards(system) if card.vendor == vendor)


def windows_gpu(system: System) -> bool:
    """Whether this is WSL with a GPU of Windows passed in, and NVIDIA's library with it."""
    return exists(system, "/dev/dxg") and exists(system, "/usr/lib/wsl/lib/libcuda.so.1")
