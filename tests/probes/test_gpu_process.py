"""Readings of NVIDIA GPUs, from the driver's ABI to the studio: real pynvml, real child process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pynvml
import pytest
from tests.standins.nvml import FakeDriver

from llm_studio.probes import gpu_process
from llm_studio.probes.gpu_process import NOTHING, GpuReader, Gpus
from llm_studio.schema import GpuSample

pytestmark = pytest.mark.anyio
GiB = 1 << 30
QUICK = (
    "import llm_studio.probes.gpu_child as child; child.LOOK_AGAIN = (0.05, 0.05); "
    "child.RELOAD = 0.2; child.main()"
)
"""The child, with less patience than for real."""
LOST, NOT_SUPPORTED = pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_NOT_SUPPORTED


@pytest.fixture
async def reader(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GpuReader]:
    for name, value in driver.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, _sources())))
    monkeypatch.setattr(gpu_process, "TRY_AGAIN", (0.0, 0.05))
    reader = GpuReader((sys.executable, "-c", QUICK))
    yield reader
    await reader.rest()


def _sources() -> list[Path]:
    root = Path(__file__).parents[2]
    return [root / "app", root]


async def until(reader: GpuReader, holds: Callable[[Gpus], bool]) -> Gpus:
    """The first reading for which it holds."""
    async with asyncio.timeout(20):
        while not holds(found := await reader.read()):
            await asyncio.sleep(0.02)
    return found


async def test_every_figure_of_eight_gpus(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say(
        "count 8",
        f"set memory_used {5 * GiB} 3",
        "set temperature 71 3",
        "set memory_temperature 88 3",
        "set ecc_corrected 4 3",
        "set ecc_uncorrected 1 3",
        f"set throttle {0x4 | 0x20} 3",
        f"process 3 {os.getpid()} {2 * GiB}",
        "process 3 4000000 -1",
    )
    found = await until(reader, lambda found: all(gpu.pcie_sent for gpu in found.gpus))
    assert [gpu.id for gpu in found.gpus] == [f"nvidia{index}" for index in range(8)]
    assert not any(gpu.fault or gpu.stale for gpu in found.gpus)
    gpu = found.gpus[3]
    assert (gpu.name, gpu.uuid[:12], gpu.pci) == (
        "NVIDIA Fake 3",
        "GPU-00000003",
        "00000000:04:00.0",
    )
    assert (gpu.memory_total, gpu.memory_used, gpu.memory_free) == (24 * GiB, 5 * GiB, 19 * GiB)
    assert (gpu.utilisation, gpu.memory_load, gpu.fan) == (40, 20, 30)
    assert (gpu.temperature, gpu.memory_temperature) == (71, 88)
    assert (gpu.power, gpu.power_limit) == (120.5, 450)
    assert (gpu.clock, gpu.memory_clock) == (2520, 10501)
    assert gpu.throttle == ["power limit", "temperature"]
    assert (gpu.pcie_generation, gpu.pcie_width) == (4, 16)
    assert (gpu.pcie_sent, gpu.pcie_received) == (1000 * 1024, 2000 * 1024)
    assert (gpu.ecc_corrected, gpu.ecc_uncorrected) == (4, 1)
    assert gpu.processes is not None
    assert {(each.pid, each.memory) for each in gpu.processes} == {
        (os.getpid(), 2 * GiB),
        (4_000_000, None),
    }
    assert gpu.processes[0].name
    assert found.gpus[2].memory_temperature is None  # a sensor that this one lacks
    assert found.gpus[2].processes == []


FIELDS = {
    "nvmlDeviceGetName": ["name"],
    "nvmlDeviceGetUUID": ["uuid"],
    "nvmlDeviceGetPciInfo_v3": ["pci"],
    "nvmlDeviceGetMemoryInfo": ["memory_total", "memory_used", "memory_free"],
    "nvmlDeviceGetUtilizationRates": ["utilisation", "memory_load"],
    "nvmlDeviceGetTemperature": ["temperature"],
    "nvmlDeviceGetFieldValues": ["memory_temperature"],
    "nvmlDeviceGetFanSpeed": ["fan"],
    "nvmlDeviceGetPowerUsage": ["power"],
    "nvmlDeviceGetEnforcedPowerLimit": ["power_limit"],
    "nvmlDeviceGetClockInfo": ["clock", "memory_clock"],
    "nvmlDeviceGetCurrPcieLinkGeneration": ["pcie_generation"],
    "nvmlDeviceGetCurrPcieLinkWidth": ["pcie_width"],
    "nvmlDeviceGetMaxPcieLinkGeneration": ["pcie_generation_max"],
    "nvmlDeviceGetMaxPcieLinkWidth": ["pcie_width_max"],
    "nvmlDeviceGetTotalEccErrors": ["ecc_corrected", "ecc_uncorrected"],
    "nvmlDeviceGetPcieThroughput": ["pcie_sent", "pcie_received"],
}
EVERYTHING = ("set memory_temperature 60", "set ecc_corrected 0", "set ecc_uncorrected 0")


async def test_what_one_gpu_lacks_hides_nothing_else(reader: GpuReader, driver: FakeDriver) -> None:
    """Each GPU of eight lacks something else; three times, for all there is to lack."""
    functions = list(FIELDS)
    for begin in range(0, len(functions), 8):
        lacking = functions[begin : begin + 8]
        code = (NOT_SUPPORTED, pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_NO_PERMISSION)[
            begin % 3
        ]
        lines = [f"error {function} {code} {gpu}" for gpu, function in enumerate(lacking)]
        await reader.rest()
        driver.say("count 8", *EVERYTHING, *lines)
        measured = sum("PcieThroughput" not in function for function in lacking) + 8 - len(lacking)
        found = await until(reader, partial(_measured, measured))
        assert len(found.gpus) == 8
        for gpu, function in zip(found.gpus, lacking, strict=False):
            assert not gpu.fault
            known = gpu.model_dump()
            for field in (each for fields in FIELDS.values() for each in fields):
                expected = field not in FIELDS[function]
                assert (known[field] not in (None, "")) == expected, (function, field)


def _measured(count: int, found: Gpus) -> bool:
    """Whether the traffic of so many is known, which takes a moment."""
    return sum(gpu.pcie_sent is not None for gpu in found.gpus) == count


async def test_a_machine_with_unified_memory(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say(f"error nvmlDeviceGetMemoryInfo {NOT_SUPPORTED}", "set fan -1", "set power_limit -1")
    gpu = (await reader.read()).gpus[0]
    assert (gpu.fault, gpu.memory_total, gpu.fan, gpu.power_limit) == ("", None, None, None)
    assert gpu.temperature == 55


async def test_a_driver_of_years_ago(
    tmp_path: Path, reader: GpuReader, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lacks functions that we ask for, and has older ones for some of them."""
    old = FakeDriver(tmp_path / "old", flags=("-DOLD_DRIVER",), lines=["set throttle 64"])
    old.say("set throttle 64", "process 0 77 1000")
    for name, value in old.environment.items():
        monkeypatch.setenv(name, value)
    gpu = (await reader.read()).gpus[0]
    assert (gpu.fault, gpu.mig, gpu.xid) == ("", None, None)
    assert gpu.throttle == ["temperature (hardware)"]
    assert [(each.pid, each.memory) for each in gpu.processes or ()] == [(77, 1000)]


async def test_parts_of_a_divided_gpu(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("count 2", f"mig 1 {10 * GiB} {3 * GiB}", f"mig 1 {10 * GiB} 0")
    whole, divided = (await reader.read()).gpus
    assert whole.mig is None
    assert [(part.name, part.memory_total, part.memory_used) for part in divided.mig or ()] == [
        ("MIG 1g.10gb", 10 * GiB, 3 * GiB),
        ("MIG 1g.10gb", 10 * GiB, 0),
    ]
    assert len({part.uuid for part in divided.mig or ()}) == 2


async def test_xid_errors_are_told(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("count 2")
    assert (await reader.read()).gpus[1].xid is None
    driver.say("count 2", "xid 1 79")
    found = await reader.read()
    assert (found.gpus[0].xid, found.gpus[1].xid) == (None, 79)
    assert found.gpus[1].xid_time
    driver.say("count 2", "xid 1 79", f"error * {LOST} 1")
    lost = (await until(reader, lambda found: bool(found.gpus[1].fault))).gpus[1]
    assert lost.xid == 79
    await asyncio.sleep(0.1)  # it was looked for anew meanwhile
    assert (await reader.read()).gpus[1].xid == 79


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (LOST, "lost"),
        (pynvml.NVML_ERROR_RESET_REQUIRED, "reset"),
        (pynvml.NVML_ERROR_UNKNOWN, "unknown error"),
    ],
)
async def test_a_gpu_that_is_lost_comes_back(
    reader: GpuReader, driver: FakeDriver, code: int, told: str
) -> None:
    driver.say("count 3")
    await reader.read()
    driver.say("count 3", f"error * {code} 1")
    found = await reader.read()
    assert [bool(gpu.fault) for gpu in found.gpus] == [False, True, False]
    lost = found.gpus[1]
    assert told in lost.fault.lower()
    assert lost.hint
    assert (lost.name, lost.temperature, lost.memory_used) == ("NVIDIA Fake 1", None, None)
    assert found.gpus[2].temperature == 55
    driver.say("count 3")
    found = await until(reader, lambda found: not found.gpus[1].fault)
    assert found.gpus[1].temperature == 55


async def test_a_gpu_that_is_taken_away_and_put_back(reader: GpuReader, driver: FakeDriver) -> None:
    """As with a hot reset: handles are void, then the driver counts anew."""
    driver.say("count 2")
    assert len((await reader.read()).gpus) == 2
    driver.say("count 1", f"error * {pynvml.NVML_ERROR_GPU_NOT_FOUND} 1")
    assert len((await until(reader, lambda found: len(found.gpus) == 1)).gpus) == 1


async def test_the_driver_goes_and_comes_back(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("count 2")
    await reader.read()
    gone = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    driver.say(f"error * {gone}", f"error nvmlInitWithFlags {gone}")
    found = await until(reader, lambda found: bool(found.notes))
    assert "modprobe" in found.notes[0]
    driver.say("count 2")
    found = await until(reader, lambda found: not found.notes)
    assert [gpu.temperature for gpu in found.gpus] == [55, 55]


async def test_a_driver_that_was_updated_is_loaded_anew(
    reader: GpuReader, driver: FakeDriver
) -> None:
    """The library in a process stays the old one, so another process is needed, and comes."""
    driver.say(f"error nvmlInitWithFlags {pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH}")
    found = await reader.read()
    assert "reboot" in found.notes[0]
    first = reader._process
    assert first is not None
    await until(reader, lambda _: reader._process is not None and reader._process is not first)
    assert first.returncode == 0
    driver.say("count 1")
    assert (await until(reader, lambda found: bool(found.gpus))).notes == ()


async def test_a_slow_gpu_delays_no_other(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("count 4")
    await reader.read()
    driver.say("count 4", "slow nvmlDeviceGetPowerUsage 1000 1", "set temperature 66")
    begun = asyncio.get_running_loop().time()
    found = await reader.read()
    assert asyncio.get_running_loop().time() - begun < 0.9
    assert [gpu.stale for gpu in found.gpus] == [False, True, False, False]
    assert [gpu.temperature for gpu in found.gpus] == [66, 55, 66, 66]
    driver.say("count 4", "set temperature 67")
    found = await until(reader, lambda found: not found.gpus[1].stale)
    assert found.gpus[0].temperature == 67


async def test_a_driver_that_crashes_whoever_asks(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("count 2")
    await reader.read()
    driver.say("count 2", "crash nvmlDeviceGetPowerUsage 1")
    found = await until(reader, lambda found: bool(found.notes))
    assert "SIGSEGV" in found.notes[0]
    assert [gpu.stale for gpu in found.gpus] == [True, True]
    driver.say("count 2")
    found = await until(reader, lambda found: not found.notes)
    assert [gpu.stale for gpu in found.gpus] == [False, False]


async def test_a_driver_that_hangs_at_once(
    reader: GpuReader, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_process, "PATIENCE", 0.5)
    driver.say("slow nvmlInitWithFlags 20000")
    found = await until(reader, lambda found: bool(found.notes))
    assert "did not answer" in found.notes[0]
    driver.say("count 1")
    monkeypatch.setattr(gpu_process, "PATIENCE", 20.0)
    assert (await until(reader, lambda found: bool(found.gpus))).notes == ()


async def test_a_hostile_name_is_defused(reader: GpuReader, driver: FakeDriver) -> None:
    driver.say("set odd_name 1")
    gpu = (await reader.read()).gpus[0]
    assert "\x1b" not in gpu.name
    assert gpu.temperature == 55


async def test_no_gpu_is_no_fault_and_costs_no_process(
    monkeypatch: pytest.MonkeyPatch, reader: GpuReader
) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH")
    if (await reader.read()).gpus:
        pytest.skip("this machine has GPUs")
    assert (reader.last.notes, reader._process) == ((), None)
    assert await reader.read() == NOTHING


async def test_the_gpus_of_this_machine(monkeypatch: pytest.MonkeyPatch, reader: GpuReader) -> None:
    """The same on a real driver, where there is one."""
    monkeypatch.delenv("LD_LIBRARY_PATH")
    found = await reader.read()
    nvidia = [gpu for gpu in found.gpus if gpu.kind == "nvidia"]
    if not nvidia:
        pytest.skip("this machine has no NVIDIA GPU")
    assert found.notes == ()
    for gpu in nvidia:
        assert not gpu.fault
        assert gpu.name
        assert gpu.uuid.startswith("GPU-")
        assert gpu.memory_total is None or gpu.memory_total > 1 << 30
        assert gpu.temperature is None or 0 < gpu.temperature < 120
        assert gpu.power is None or 0 < gpu.power < 3000
        assert gpu.utilisation is None or 0 <= gpu.utilisation <= 100


async def test_nothing_is_left_when_nobody_asks(reader: GpuReader, driver: FakeDriver) -> None:
    await reader.read()
    process = reader._process
    assert process is not None
    await reader.rest()
    assert process.returncode == 0
    assert (await reader.read()).gpus[0].temperature == 55


async def test_an_answer_that_is_none(driver: FakeDriver) -> None:
    for told in ("{}", "nonsense", "null", '{"gpus": [{"id": 5}], "notes": []}', "[" * 5000):
        script = f"input(); print({told!r}, flush=True); input()"
        reader = GpuReader((sys.executable, "-c", script))
        assert "cannot be read" in (await reader.read()).notes[0]
        await reader.rest()


def test_readings_hold_only_what_travels() -> None:
    with pytest.raises(ValueError, match="more"):
        GpuSample.model_validate({"id": "x", "kind": "x", "index": 0, "more": 1})
