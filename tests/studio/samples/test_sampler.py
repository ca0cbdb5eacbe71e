"""The sampler: once a second while it matters, nothing else, and nothing waits for what is slow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_studio.probes.gpu_process import Gpus
from llm_studio.schema import GpuProcess, GpuSample, HostSample, Sample
from llm_studio.studio.log import Log
from llm_studio.studio.samples import sampler as sampler_module
from llm_studio.studio.samples.alerts import Alerts, Limits
from llm_studio.studio.samples.engine_reading import EngineReading, Served
from llm_studio.studio.samples.history import History
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.sampler import Sampler
from llm_studio.studio.samples.samples import engine_memory

pytestmark = pytest.mark.anyio
INTERVAL = 0.05


class ScriptedGpus:
    """GPUs that answer as they are told."""

    def __init__(self) -> None:
        self.reads = 0
        self.rests = 0
        self.hangs: asyncio.Event | None = None
        self.breaks = False
        self.pids: list[int] = []

    async def read(self) -> Gpus:
        self.reads += 1
        if self.breaks:
            raise RuntimeError("a defect")
        if self.hangs is not None:
            await self.hangs.wait()
        programs = [GpuProcess(pid=pid) for pid in self.pids]
        gpu = GpuSample(id="nvidia0", kind="nvidia", index=0, power=100.0, processes=programs)
        return Gpus(gpus=(gpu,), notes=())

    async def rest(self) -> None:
        self.rests += 1


class ScriptedHost:
    def __init__(self) -> None:
        self.engine_pids: frozenset[int] = frozenset()
        self.asked: list[tuple[int, ...]] = []
        self.hangs: threading.Event | None = None

    def read(self, engines: tuple[int, ...] = ()) -> dict[str, Any]:
        self.asked.append(engines)
        self.engine_pids = frozenset(engines)
        if self.hangs is not None:
            self.hangs.wait(20)
        return {"time": time.time(), "cpu": 7.0}

    def close(self) -> None:
        return


class Stand:
    def __init__(self) -> None:
        self.gpus, self.host = ScriptedGpus(), ScriptedHost()
        self.served: list[Served] = []
        self.complaints: list[str] = []
        self.history = History(None)
        self.sampler = Sampler(
            served=lambda: self.served,
            gpus=self.gpus,  # type: ignore[arg-type]
            host=self.host,  # type: ignore[arg-type]
            history=self.history,
            alerts=Alerts(Limits(), Marks(), Log()),
            interval=INTERVAL,
            complain=self.complaints.append,
        )

    def serve(self, *profiles: str, running: int = 0) -> None:
        self.served = [
            Served(
                main=number == 0, profile=profile, instance=f"i-{profile}", ready=True,
                address="http://127.0.0.1:1", key="key", pid=500 + number, running=running,
                waiting=0, memory=[],
            )
            for number, profile in enumerate(profiles)
        ]  # fmt: skip
        self.sampler.wake()

    async def next(self) -> Sample:
        """The sample after the one that is there."""
        latest = self.sampler.latest
        found = await self.sampler.next(latest.seq if latest else 0, 5)
        assert found is not None
        return found


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    async def read(self: EngineReading, engine: Served) -> None:
        self._figures, self._time = {"speed": 50.0, "busy": engine.running}, time.time()

    monkeypatch.setattr(EngineReading, "read", read)
    monkeypatch.setattr(sampler_module, "LOOKS", 0.3)
    monkeypatch.setattr(sampler_module, "PATIENCE", 0.03)
    stand = Stand()
    await stand.sampler.start()
    yield stand
    await stand.sampler.close()


async def settled(stand: Stand) -> int:
    """Readings so far, once there are no more."""
    async with asyncio.timeout(10):
        while not stand.gpus.rests:
            await asyncio.sleep(0.01)
    return stand.gpus.reads


async def test_nobody_looks_and_nothing_is_loaded_so_nothing_is_read(stand: Stand) -> None:
    await asyncio.sleep(INTERVAL * 5)
    assert (stand.gpus.reads, stand.host.asked, stand.sampler.latest) == (0, [], None)


async def test_a_look_starts_it_and_no_look_ends_it(stand: Stand) -> None:
    first = await stand.next()
    assert (await stand.next()).seq == first.seq + 1
    stand.gpus.rests = 0
    reads = await settled(stand)
    assert reads >= 2
    assert stand.sampler.latest is not None
    await asyncio.sleep(INTERVAL * 4)
    assert stand.gpus.reads == reads
    assert stand.sampler.look() is None, "a sample of the past is not told as one of now"
    assert (await stand.next()).seq > first.seq


async def test_a_loaded_model_is_sampled_though_nobody_looks(stand: Stand) -> None:
    stand.serve("p")
    async with asyncio.timeout(10):
        while stand.gpus.reads < 20:
            await asyncio.sleep(0.01)
    assert stand.sampler.latest is not None
    assert stand.sampler.latest.engine is not None
    assert stand.sampler.latest.engine.speed == 50
    assert len(stand.history.tiers[0].slices(0, 1e12)[-1].times) >= 15
    stand.served = []
    stand.gpus.rests = 0
    await settled(stand)


async def test_the_engines_own_processes_are_marked(stand: Stand) -> None:
    stand.gpus.pids = [500, 77]
    stand.serve("p")
    await stand.next()
    sample = await stand.next()
    assert [(each.pid, each.engine) for each in sample.gpus[0].processes or ()] == [
        (500, True),
        (77, False),
    ]
    assert (500,) in stand.host.asked


async def test_engines_beside_the_main_one(stand: Stand) -> None:
    stand.serve("main", "other")
    sample = await stand.next()
    assert sample.engine is not None
    assert sample.engine.profile == "main"
    assert [engine.profile for engine in sample.beside] == ["other"]
    stand.serve("main")
    await stand.next()
    assert list(stand.sampler._engines) == ["i-main"]


async def test_slow_gpus_delay_nothing_and_are_told_as_stale(stand: Stand) -> None:
    stand.serve("p")
    assert not (await stand.next()).gpus[0].stale
    stand.gpus.hangs = asyncio.Event()
    await stand.next()
    begun = time.monotonic()
    samples = [await stand.next() for _ in range(5)]
    assert time.monotonic() - begun < 5 * 4 * INTERVAL
    assert all(sample.gpus[0].stale for sample in samples)
    assert all(sample.gpus[0].power == 100 for sample in samples)
    assert not any(sample.host.stale for sample in samples)
    assert all(sample.engine and not sample.engine.stale for sample in samples)
    reads = stand.gpus.reads
    await stand.next()
    assert stand.gpus.reads == reads, "what hangs is not asked again and again"
    stand.gpus.hangs.set()
    stand.gpus.hangs = None
    async with asyncio.timeout(5):
        while (await stand.next()).gpus[0].stale:
            pass


async def test_the_first_sample_waits_until_the_gpus_are_known(stand: Stand) -> None:
    """Before that, none would be told where there are some."""
    stand.gpus.hangs = asyncio.Event()
    first = asyncio.create_task(stand.sampler.next(0, 10))
    await asyncio.sleep(INTERVAL * 3)
    assert not first.done()
    stand.gpus.hangs.set()
    sample = await first
    assert sample is not None
    assert [gpu.stale for gpu in sample.gpus] == [False]


async def test_a_stale_reading_is_a_gap_in_the_history(stand: Stand) -> None:
    stand.serve("p")
    await stand.next()
    stand.gpus.hangs = asyncio.Event()
    await stand.next()
    stalest = await stand.next()
    rows = stand.history.tiers[0]._blocks[-1].rows()
    last = dict(rows)[stalest.time]
    assert "nvidia0.power" not in last
    assert "host.cpu" in last
    stand.gpus.hangs.set()


async def test_a_host_that_hangs_delays_no_gpu(stand: Stand) -> None:
    stand.serve("p")
    await stand.next()
    stand.host.hangs = threading.Event()
    await stand.next()
    sample = await stand.next()
    assert (sample.host.stale, sample.gpus[0].stale) == (True, False)
    stand.host.hangs.set()


async def test_a_defect_of_a_probe_is_told_and_ends_nothing(stand: Stand) -> None:
    stand.serve("p")
    await stand.next()
    stand.gpus.breaks = True
    await stand.next()
    sample = await stand.next()
    assert sample.notes == ["RuntimeError: a defect"]
    assert (sample.gpus[0].stale, sample.host.cpu) == (True, 7.0)
    stand.gpus.breaks = False
    async with asyncio.timeout(5):
        while (await stand.next()).notes:
            pass


async def test_a_defect_of_our_own_is_told_once_and_ends_nothing(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.serve("p")
    await stand.next()
    with monkeypatch.context() as broken:
        broken.setattr(sampler_module, "numbers_of", lambda _: 1 / 0)
        reads = stand.gpus.reads
        async with asyncio.timeout(10):
            while stand.gpus.reads < reads + 4:
                await asyncio.sleep(0.01)
    assert stand.complaints == ["sampling failed: ZeroDivisionError: division by zero"]
    assert (await stand.next()).host.cpu == 7


async def test_an_engine_that_idles_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def read(self: object, address: str, key: str, *, slots: bool) -> dict[str, Any]:
        asked.append(address)
        return {"busy": 0, "queue": 0, "speed": 3.0}

    monkeypatch.setattr("llm_studio.probes.engine.EngineProbe.read", read)
    stand = Stand()
    stand.serve("p")
    reading, engine = EngineReading(), stand.served[0]
    for _ in range(5):
        await reading.read(engine)
    assert len(asked) == 1
    assert reading.sample(engine, fresh=True).speed == 0
    stand.serve("p", running=1)
    await reading.read(stand.served[0])
    assert len(asked) == 2
    assert reading.sample(engine, fresh=True).speed == 3


def test_what_engines_hold_is_told_by_gpu_as_far_as_drivers_tell() -> None:
    ours = GpuProcess(pid=1, memory=5, engine=True)
    others = GpuProcess(pid=2, memory=7)
    sample = Sample(
        seq=1, time=0.0, host=HostSample(),
        gpus=[
            GpuSample(id="nvidia0", kind="nvidia", index=0, uuid="GPU-a", processes=[ours, others]),
            GpuSample(id="nvidia1", kind="nvidia", index=1, processes=[ours, ours]),
            GpuSample(id="nvidia2", kind="nvidia", index=2, processes=[others]),
            GpuSample(id="amd0", kind="amd", index=3, processes=None),
        ],
    )  # fmt: skip
    assert engine_memory(sample) == {"GPU-a": 5, "GPU 1": 10}
