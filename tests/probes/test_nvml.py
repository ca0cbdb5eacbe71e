"""NVIDIA GPUs, with the driver's library faked at its edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from llm_studio.models.memory import GiB, MiB
from llm_studio.probes.machine import this_machine
from llm_studio.probes.nvml import nvidia_devices
from llm_studio.probes.overhead import UNMEASURED, keep_overhead, known_overheads


@dataclass
class Gpu:
    uuid: str = "GPU-aaaa"
    name: str | bytes = "NVIDIA GeForce RTX 4090"
    total: int = 24 * GiB
    free: int = 23 * GiB
    error: int = 0
    memory_error: int = 0


@dataclass
class Driver:
    gpus: list[Gpu] = field(default_factory=list)
    error: int = 0
    ended: bool = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def check(code: int) -> None:
            if code:
                raise pynvml.NVMLError(code)

        def handle(index: int) -> Gpu:
            check(self.gpus[index].error)
            return self.gpus[index]

        def memory(gpu: Gpu) -> Any:
            check(gpu.memory_error)
            return SimpleNamespace(total=gpu.total, free=gpu.free)

        faked = {
            "nvmlInit": lambda: check(self.error),
            "nvmlShutdown": lambda: setattr(self, "ended", True),
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": handle,
            "nvmlDeviceGetMemoryInfo": memory,
            "nvmlDeviceGetUUID": lambda gpu: gpu.uuid,
            "nvmlDeviceGetName": lambda gpu: gpu.name,
        }
        for name, function in faked.items():
            monkeypatch.setattr(pynvml, name, function)


def test_gpus_with_their_memory_and_own_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Gpu("GPU-bbbb", b"RTX 5070 Ti", 16 * GiB, 12 * GiB)
    driver = Driver([Gpu(), second])
    driver.install(monkeypatch)
    devices, notes = nvidia_devices({"GPU-bbbb": 300 * MiB})
    assert notes == ()
    assert [(d.name, d.model, d.free, d.overhead) for d in devices] == [
        ("GPU 0", "NVIDIA GeForce RTX 4090", 23 * GiB, UNMEASURED),
        ("GPU 1", "RTX 5070 Ti", 12 * GiB, 300 * MiB),
    ]
    assert driver.ended


def test_no_driver_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND).install(monkeypatch)
    assert nvidia_devices({}) == ((), ())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "does not answer"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "does not answer"),
    ],
)
def test_a_driver_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, error: int, told: str
) -> None:
    Driver(error=error).install(monkeypatch)
    devices, notes = nvidia_devices({})
    assert devices == ()
    assert told in notes[0]


def test_one_lost_gpu_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Gpu(error=pynvml.NVML_ERROR_GPU_IS_LOST)
    unified = Gpu("GPU-cccc", memory_error=pynvml.NVML_ERROR_NOT_SUPPORTED)
    driver = Driver([lost, Gpu("GPU-bbbb"), unified])
    driver.install(monkeypatch)
    devices, notes = nvidia_devices({})
    assert [device.name for device in devices] == ["GPU 1"]
    assert ["GPU 0" in notes[0], "GPU 2" in notes[1]] == [True, True]
    assert driver.ended


def test_a_hostile_name_is_defused(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver([Gpu(name="\x1b]0;x\x07GPU")]).install(monkeypatch)
    assert "\x1b" not in nvidia_devices({})[0][0].model


def test_this_machine_has_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Driver([Gpu()]).install(monkeypatch)
    machine = this_machine(tmp_path)
    assert len(machine.devices) == 1
    assert 0 < machine.host.available <= machine.host.total
    assert this_machine(tmp_path, look_for_gpus=False).devices == ()


def test_a_measured_need_is_kept_per_gpu(tmp_path: Path) -> None:
    keep_overhead(tmp_path, "GPU-a", taken=5400 * MiB, asked=5000 * MiB)
    keep_overhead(tmp_path, "GPU-b", taken=5300 * MiB, asked=5000 * MiB)
    assert known_overheads(tmp_path) == {"GPU-a": 400 * MiB, "GPU-b": 300 * MiB}


def test_an_implausible_measurement_is_not_kept(tmp_path: Path) -> None:
    keep_overhead(tmp_path, "GPU-a", taken=1, asked=2)
    keep_overhead(tmp_path, "GPU-a", taken=99 * GiB, asked=0)
    assert known_overheads(tmp_path) == {}


@pytest.mark.parametrize("damage", ["", "[]", '{"a": "x"}', "{", '{"a": -1}', "\0"])
def test_a_damaged_record_is_measured_again(tmp_path: Path, damage: str) -> None:
    (tmp_path / "gpu-overheads.json").write_text(damage)
    assert known_overheads(tmp_path) == {}
    keep_overhead(tmp_path, "GPU-a", taken=2, asked=1)
    assert known_overheads(tmp_path) == {"GPU-a": 1}
