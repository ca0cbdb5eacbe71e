"""NVIDIA GPUs as planning sees them: the real pynvml over a driver that follows a script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest
from tests.standins.nvml import FakeDriver

from llm_studio.models.memory import GiB, MiB
from llm_studio.probes.gpus.nvidia import Nvidia
from llm_studio.probes.machine import plannable, this_machine
from llm_studio.probes.overhead import UNMEASURED, keep_overhead, known_overheads

UUID = "GPU-{:08}-0000-0000-0000-000000000000"


@pytest.fixture
def here(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    driver.install(monkeypatch)
    return driver


def test_gpus_with_their_memory_and_own_needs(here: FakeDriver) -> None:
    here.say("count 2", f"set memory_total {16 * GiB} 1", f"set memory_used {4 * GiB} 1")
    devices, notes = plannable(Nvidia(), {UUID.format(1): 300 * MiB})
    assert notes == ()
    assert [(d.name, d.model, d.uuid, d.total, d.free, d.overhead) for d in devices] == [
        ("GPU 0", "NVIDIA Fake 0", UUID.format(0), 24 * GiB, 23 * GiB, UNMEASURED),
        ("GPU 1", "NVIDIA Fake 1", UUID.format(1), 16 * GiB, 12 * GiB, 300 * MiB),
    ]
    with pytest.raises(pynvml.NVMLError):
        pynvml.nvmlShutdown()  # it was closed already


def test_no_driver_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", missing)
    assert plannable(Nvidia(), {}) == ((), ())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "modprobe"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia"),
        (pynvml.NVML_ERROR_UNKNOWN, "unknown error"),
    ],
)
def test_a_driver_that_fails_is_told(here: FakeDriver, error: int, told: str) -> None:
    here.say(f"error nvmlInitWithFlags {error}")
    devices, notes = plannable(Nvidia(), {})
    assert devices == ()
    assert told in notes[0]


PLANS = """
import shutil, sys
from pathlib import Path
from llm_studio.probes.machine import this_machine
print(len(this_machine(Path(sys.argv[1])).devices), flush=True)
Path(sys.argv[2]).unlink()
shutil.copy(sys.argv[3], sys.argv[2])
print(len(this_machine(Path(sys.argv[1])).devices))
"""


def test_a_driver_that_was_replaced_is_planned_with_at_once(
    tmp_path: Path, driver: FakeDriver
) -> None:
    """The studio outlives an update: the library that it loaded then is not the one of now."""
    driver.say("count 2")
    older = FakeDriver(tmp_path / "older", flags=("-DOTHER_VERSION",))
    library = tmp_path / "lib" / "libnvidia-ml.so.1"
    library.parent.mkdir()
    shutil.copy(older.folder / library.name, library)
    sources = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", PLANS, tmp_path, library, driver.folder / library.name],
        env={**os.environ, **driver.environment, "LD_LIBRARY_PATH": str(library.parent),
             "PYTHONPATH": str(sources / "app")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == ["0", "2"]


def test_a_driver_that_lists_nothing_is_told(here: FakeDriver) -> None:
    here.say(f"error nvmlDeviceGetCount_v2 {pynvml.NVML_ERROR_UNKNOWN}")
    assert "does not list" in plannable(Nvidia(), {})[1][0]


def test_one_lost_gpu_hides_no_other(here: FakeDriver) -> None:
    here.say(
        "count 4",
        f"error nvmlDeviceGetHandleByIndex_v2 {pynvml.NVML_ERROR_GPU_IS_LOST} 0",
        f"error nvmlDeviceGetMemoryInfo {pynvml.NVML_ERROR_NOT_SUPPORTED} 2",
        f"error * {pynvml.NVML_ERROR_GPU_IS_LOST} 3",
    )
    devices, notes = plannable(Nvidia(), {})
    assert [device.name for device in devices] == ["GPU 1"]
    assert [note[:5] for note in notes] == ["GPU 0", "GPU 2", "GPU 3"]


def test_a_hostile_name_is_defused(here: FakeDriver) -> None:
    here.say("set odd_name 1")
    devices, _ = plannable(Nvidia(), {})
    assert len(devices) == 1
    assert "\x1b" not in devices[0].model


def test_this_machine_has_memory(here: FakeDriver, tmp_path: Path) -> None:
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
