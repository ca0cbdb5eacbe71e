"""What sampling costs: processor at 1 Hz with eight GPUs, at rest, and the history's memory.

The GPUs are those of a stand-in for NVIDIA's library, behind the real pynvml in the real process.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from tests.standins.nvml import FakeDriver

from benchmarks.row import Row, shown
from llm_studio.probes.gpu_process import GpuReader
from llm_studio.probes.host import HostProbe
from llm_studio.studio.log import Log
from llm_studio.studio.samples.alerts import Alerts, Limits
from llm_studio.studio.samples.curves import curves
from llm_studio.studio.samples.history import History
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.sampler import Sampler
from llm_studio.studio.samples.series import numbers_of

GPUS = 8
SECONDS = 15
REST = 5
GOAL_PERCENT, GOAL_REST, GOAL_MIB, GOAL_QUERY_MS = 1.0, 0.1, 32.0, 100.0
HOUR, DAY = 3600, 86_400


def measure() -> Iterator[Row]:
    if shutil.which("cc") is None:
        print("Sampling: left out, there is no C compiler for the stand-in of NVIDIA's library.")
        return
    print(f"Sampling {GPUS} GPUs and the machine, once a second")
    with tempfile.TemporaryDirectory() as folder:
        driver = FakeDriver(Path(folder) / "driver")
        driver.say(f"count {GPUS}", "set memory_temperature 70", f"process 0 {os.getpid()} 1000")
        before = dict(os.environ)
        os.environ.update(driver.environment)
        os.environ["PYTHONPATH"] = os.pathsep.join(["app", "."])
        try:
            rows, numbers = asyncio.run(sampling(Path(folder)))
        finally:  # nobody else is to find these GPUs
            os.environ.clear()
            os.environ.update(before)
        yield from rows
        yield from history(Path(folder) / "long", numbers)


async def sampling(folder: Path) -> tuple[list[Row], dict[str, float]]:
    sampler = Sampler(
        served=list,
        gpus=GpuReader(),
        host=HostProbe(folder),
        history=History(folder / "history"),
        alerts=Alerts(Limits(), Marks(), Log()),
    )
    await sampler.start()
    await sampler.next(0, 10)
    await sampler.next(2, 10)
    used, begun = _processor(), time.monotonic()
    until, samples = begun + SECONDS, 0
    while time.monotonic() < until:
        latest = sampler.latest
        assert latest is not None
        samples += await sampler.next(latest.seq, 5) is not latest
    share = (_processor() - used) / (time.monotonic() - begun) * 100
    latest = sampler.latest
    assert latest is not None
    assert len(latest.gpus) == GPUS
    assert not any(gpu.stale or gpu.fault for gpu in latest.gpus)
    print(f"  {samples} samples; the processor's share is with the process for the driver")
    numbers = numbers_of(latest)
    while psutil.Process().children():  # noqa: ASYNC110 - whose end nobody tells
        await asyncio.sleep(0.5)
    used, begun = _processor(), time.monotonic()
    await asyncio.sleep(REST)
    rest = (_processor() - used) / (time.monotonic() - begun) * 100
    await sampler.close()
    busy = f"{share:.2f} % of a core"
    idle = f"{rest:.2f} % of a core"
    beside = rest / share
    return [
        Row(f"sampling {GPUS} GPUs at 1 Hz", busy, "", None, "1 %", share < GOAL_PERCENT),
        Row(
            "sampling, nobody looks", idle, f"looked at: {busy}", beside, "0.1 %", rest < GOAL_REST
        ),
    ], numbers


def history(folder: Path, numbers: dict[str, float]) -> Iterator[Row]:
    """Three days: the last hour by the second, what is before at the pace that its tiers keep."""
    numbers |= {f"engine.figure{number}": float(number) for number in range(9)}
    kept, now = History(folder), 1_800_000_000
    moments = [*range(now - 3 * DAY, now - DAY, 60), *range(now - DAY, now - HOUR, 10)]
    for number, second in enumerate([*moments, *range(now - HOUR, now)]):
        wave = math.sin(number / 100)
        kept.add(second, {name: value + wave for name, value in numbers.items()})
    scratch = History(None)
    begun = time.perf_counter()
    for second in range(1000):
        scratch.add(now + second, numbers)
    each = (time.perf_counter() - begun) * 1e6 / 1000
    held = sum(
        len(part) * part.itemsize
        for tier in kept.tiers
        for block in tier._blocks
        for part in (block.times, block.values)
    )
    kept.close(30.0)
    disk = sum(path.stat().st_size for path in folder.rglob("*.block"))
    begun = time.perf_counter()
    again = History(folder)
    again.load()
    load = (time.perf_counter() - begun) * 1000
    yield Row(
        f"history of 3 days, {len(numbers)} series",
        f"{held / 2**20:.1f} MiB",
        f"on disk: {disk / 2**20:.1f} MiB",
        held / disk,
        f"{GOAL_MIB:g} MiB",
        held < GOAL_MIB * 2**20,
    )
    print(f"    adding a sample {each:.0f} µs, reading it all after a restart {load:.0f} ms")
    worst = 0.0
    for what, seconds in (("the last hour", HOUR), ("the last day", DAY)):
        begun = time.perf_counter()
        resolution, slices = again.slices(now - seconds, now, 0)
        blocking = (time.perf_counter() - begun) * 1000
        times, found = curves(slices, resolution, lambda name: name.startswith("nvidia0."))
        took = (time.perf_counter() - begun) * 1000
        worst = max(worst, took)
        told = f"{len(found)} curves of {len(times)} points in {took:.0f} ms"
        print(f"    {what:<15} {told}, of which {blocking:.1f} ms keep others waiting")
    yield Row(
        "a query of the history",
        f"{worst:.0f} ms",
        f"reading it all: {load:.0f} ms",
        worst / load,
        f"{GOAL_QUERY_MS:.0f} ms",
        worst < GOAL_QUERY_MS,
    )


def _processor() -> float:
    """Seconds that this process and its children used; those that ended included."""
    ended = os.times()
    running = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    used = sum(each.user + each.system for each in running)
    return time.process_time() + ended.children_user + ended.children_system + used


if __name__ == "__main__":
    sys.exit(shown(measure()))
