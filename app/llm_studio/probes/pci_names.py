"""What a GPU is sold as, from the lists that Linux distributions bring along."""

from __future__ import annotations

from pathlib import Path

from llm_studio.probes.sysfs import text
from llm_studio.text import untrusted_line

SHARE = Path("/usr/share")
_PCI_IDS = ("hwdata/pci.ids", "misc/pci.ids")


def sold_as(device: Path, share: Path = SHARE) -> str | None:
    """By its vendor, device and revision; None where no list has it."""
    vendor, number, revision = (
        (text(device / name) or "").removeprefix("0x").lower()
        for name in ("vendor", "device", "revision")
    )
    if not vendor or not number:
        return None
    found = _of_amd(share / "libdrm/amdgpu.ids", number, revision) if vendor == "1002" else None
    for name in _PCI_IDS:
        found = found or _of_pci(share / name, vendor, number)
    return untrusted_line(found) if found else None


def _of_amd(path: Path, number: str, revision: str) -> str | None:
    """Lines of device, revision and name, with commas between."""
    for line in _lines(path):
        parts = [part.strip() for part in line.split(",", 2)]
        if len(parts) == 3 and (parts[0].lower(), parts[1].lower()) == (number, revision):
            return parts[2]
    return None


def _of_pci(path: Path, vendor: str, number: str) -> str | None:
    """Devices stand below their vendors, behind a tab; a name in brackets is the one on the box."""
    inside = False
    for line in _lines(path):
        if line[:1].isalnum():
            if inside:
                return None
            inside = line.startswith(f"{vendor} ")
        elif inside and line.startswith(f"\t{number} "):
            name = line[len(number) + 1 :].strip()
            return name[name.find("[") + 1 : -1] if name.endswith("]") else name
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
