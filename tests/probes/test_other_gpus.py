"""GPUs of AMD, Intel and Apple, from what their systems write down."""

from __future__ import annotations

import plistlib
import shutil
from pathlib import Path

import pytest

from llm_studio.probes.gpus import gpu_probes
from llm_studio.probes.gpus.amd import Amd
from llm_studio.probes.gpus.apple import Apple
from llm_studio.probes.gpus.intel import Intel
from llm_studio.schema import GpuSample

RADEON = {
    "vendor": "0x1002",
    "device": "0x744c",
    "unique_id": "6f1c3a52e8b0d417",
    "mem_info_vram_total": "25753026560",
    "mem_info_vram_used": "9126805504",
    "gpu_busy_percent": "97",
    "mem_busy_percent": "62",
    "current_link_speed": "16.0 GT/s PCIe",
    "max_link_speed": "32.0 GT/s PCIe",
    "current_link_width": "16",
    "max_link_width": "16",
    "power/runtime_status": "active",
    "hwmon/hwmon4/temp1_label": "edge",
    "hwmon/hwmon4/temp1_input": "58000",
    "hwmon/hwmon4/temp2_label": "junction",
    "hwmon/hwmon4/temp2_input": "77000",
    "hwmon/hwmon4/temp3_label": "mem",
    "hwmon/hwmon4/temp3_input": "84000",
    "hwmon/hwmon4/power1_average": "301000000",
    "hwmon/hwmon4/power1_cap": "339000000",
    "hwmon/hwmon4/pwm1": "102",
    "hwmon/hwmon4/freq1_input": "2487000000",
    "hwmon/hwmon4/freq2_input": "1249000000",
}
ARC = {
    "vendor": "0x8086",
    "device": "0xe20b",
    "current_link_speed": "2.5 GT/s PCIe",
    "current_link_width": "1",
    "tile0/gt0/freq0/act_freq": "2850",
    "hwmon/hwmon2/temp2_label": "pkg",
    "hwmon/hwmon2/temp2_input": "51000",
    "hwmon/hwmon2/temp3_label": "vram",
    "hwmon/hwmon2/temp3_input": "60000",
    "hwmon/hwmon2/energy1_input": "5000000",
}


def install(root: Path, card: str, address: str, driver: str, files: dict[str, str]) -> Path:
    """A GPU as the kernel shows it."""
    device = root / "devices" / address
    for name, text in files.items():
        path = device / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    module = root / "bus/pci/drivers" / driver
    module.mkdir(parents=True, exist_ok=True)
    (device / "driver").symlink_to(module)
    (root / "class/drm" / card).mkdir(parents=True)
    (root / "class/drm" / card / "device").symlink_to(device)
    (root / "class/drm" / f"{card}-DP-1").mkdir()
    return device


def sample(reading: dict[str, object]) -> GpuSample:
    return GpuSample.model_validate({"id": "x", **reading})


def test_a_radeon(tmp_path: Path) -> None:
    install(tmp_path, "card1", "0000:03:00.0", "amdgpu", RADEON)
    install(tmp_path, "card0", "0000:01:00.0", "i915", ARC)
    (only,) = Amd(tmp_path, tmp_path).look().gpus
    gpu = sample(only.read())
    assert (gpu.kind, gpu.index, gpu.name, gpu.pci) == (
        "amd",
        0,
        "AMD GPU 1002:744c",
        "0000:03:00.0",
    )
    assert gpu.uuid == "6f1c3a52e8b0d417"
    assert (gpu.memory_total, gpu.memory_used) == (25753026560, 9126805504)
    assert gpu.memory_free == 25753026560 - 9126805504
    assert (gpu.utilisation, gpu.memory_load, gpu.fan) == (97, 62, 40)
    assert (gpu.temperature, gpu.memory_temperature) == (77, 84)
    assert (gpu.power, gpu.power_limit) == (301, 339)
    assert (gpu.clock, gpu.memory_clock) == (2487, 1249)
    assert (gpu.pcie_generation, gpu.pcie_generation_max, gpu.pcie_width) == (4, 5, 16)


@pytest.mark.parametrize("missing", sorted(RADEON))
def test_a_file_that_is_missing_hides_no_other(tmp_path: Path, missing: str) -> None:
    device = install(tmp_path, "card0", "0000:03:00.0", "amdgpu", RADEON)
    whole = Amd(tmp_path, tmp_path).look().gpus[0].read()
    (device / missing).unlink()
    less = Amd(tmp_path, tmp_path).look().gpus[0].read()
    assert "fault" not in less
    changed = {key for key in whole if whole[key] != less.get(key)}
    assert len(changed) <= 2, changed


@pytest.mark.parametrize("text", ["", "N/A", "\x1b]0;x\x07", "9" * 5000, "-"])
def test_nonsense_in_a_file_is_not_a_number(tmp_path: Path, text: str) -> None:
    device = install(tmp_path, "card0", "0000:03:00.0", "amdgpu", RADEON)
    (device / "gpu_busy_percent").write_text(text)
    (device / "product_name").write_text(text)
    gpu = sample(Amd(tmp_path, tmp_path).look().gpus[0].read())
    assert gpu.utilisation is None
    assert "\x1b" not in gpu.name
    assert gpu.temperature == 77


AMD_IDS = """\
# List of AMDGPU IDs
1.0.0
744C,\tC8,\tAMD Radeon RX 7900 XTX
744C,\tCC,\tAMD Radeon RX 7900 XT
"""
PCI_IDS = """\
# Syntax
1001  Kolter Electronic
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t744c  Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]
\t\t1002 0e3b  Radeon RX 7900 GRE
\te20b  not this one
8086  Intel Corporation
\te20b  Battlemage G21 [Arc B580]
\te20c  \x1b]0;x\x07
8087  Intel Corp.
"""


@pytest.mark.parametrize(
    ("driver", "files", "name"),
    [
        ("amdgpu", RADEON | {"revision": "0xcc"}, "AMD Radeon RX 7900 XT"),
        ("amdgpu", RADEON | {"revision": "0x01"}, "Radeon RX 7900 XT/7900 XTX/7900M"),
        ("amdgpu", RADEON | {"device": "0xffff"}, "AMD GPU 1002:ffff"),
        ("amdgpu", RADEON | {"product_name": "Instinct MI300X"}, "Instinct MI300X"),
        ("xe", ARC, "Arc B580"),
        ("xe", ARC | {"device": "0xe20c"}, "␛]0;x␇"),
        ("xe", ARC | {"device": "nonsense"}, "Intel GPU 8086:nonsense"),
    ],
)
def test_a_gpu_is_called_what_it_is_sold_as(
    tmp_path: Path, driver: str, files: dict[str, str], name: str
) -> None:
    for path, content in (("libdrm/amdgpu.ids", AMD_IDS), ("misc/pci.ids", PCI_IDS)):
        (tmp_path / "share" / path).parent.mkdir(parents=True)
        (tmp_path / "share" / path).write_text(content)
    install(tmp_path / "sys", "card0", "0000:03:00.0", driver, files)
    probe = (Amd if driver == "amdgpu" else Intel)(tmp_path / "sys", tmp_path / "share")
    assert probe.look().gpus[0].read()["name"] == name


def test_a_gpu_that_sleeps_is_not_woken(tmp_path: Path) -> None:
    asleep = RADEON | {"power/runtime_status": "suspended"}
    install(tmp_path, "card0", "0000:03:00.0", "amdgpu", asleep)
    gpu = sample(Amd(tmp_path, tmp_path).look().gpus[0].read())
    assert (gpu.fault, gpu.temperature, gpu.memory_used) == ("", None, None)


def test_a_radeon_that_is_taken_away(tmp_path: Path) -> None:
    device = install(tmp_path, "card0", "0000:03:00.0", "amdgpu", RADEON)
    (gpu,) = Amd(tmp_path, tmp_path).look().gpus
    shutil.rmtree(device)
    assert "taken away" in gpu.read()["fault"]
    assert Amd(tmp_path, tmp_path).look().gpus == ()


def test_an_arc(tmp_path: Path) -> None:
    device = install(tmp_path, "card0", "0000:07:00.0", "xe", ARC)
    (only,) = Intel(tmp_path, tmp_path).look().gpus
    assert sample(only.read()).power is None  # it is a count of energy, so of two readings
    (device / "hwmon/hwmon2/energy1_input").write_text("6000000")
    gpu = sample(only.read())
    assert (gpu.kind, gpu.name, gpu.clock) == ("intel", "Intel GPU 8086:e20b", 2850)
    assert (gpu.temperature, gpu.memory_temperature, gpu.memory_used) == (51, 60, None)
    assert gpu.power is not None
    assert gpu.power > 0


def test_apple_silicon() -> None:
    told = plistlib.dumps(
        [
            {
                "model": "Apple M2 Max",
                "PerformanceStatistics": {
                    "Device Utilization %": 83,
                    "In use system memory": 21474836480,
                    "Alloc system memory": 30000000000,
                },
            }
        ]
    )
    (only,) = Apple(lambda: told, here=True).look().gpus
    gpu = sample(only.read())
    assert (gpu.name, gpu.utilisation, gpu.memory_used) == ("Apple M2 Max", 83, 21474836480)
    assert (gpu.power, gpu.temperature) == (None, None)


@pytest.mark.parametrize("told", [b"", b"nonsense", plistlib.dumps({"a": 1}), b"<plist>"])
def test_apple_silicon_that_tells_nothing(told: bytes) -> None:
    assert Apple(lambda: told, here=True).look().gpus == ()


def test_no_such_system_is_no_fault(tmp_path: Path) -> None:
    for probe in (Amd(tmp_path, tmp_path), Intel(tmp_path, tmp_path), Apple(here=False)):
        assert probe.look().gpus == ()
        assert probe.look().notes == ()


def test_each_kind_is_found_by_its_file() -> None:
    assert [probe.kind for probe in gpu_probes()] == ["amd", "apple", "intel", "nvidia"]
