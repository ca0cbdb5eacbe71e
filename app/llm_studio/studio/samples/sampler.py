"""Reads the GPUs, the machine and the engines once a second, while it matters to anybody.

It matters while a model is loaded, and while somebody looks. Otherwise nothing runs, and the GPU
driver is let go of. All are read side by side: what is late is told as it was, marked stale, and
delays nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from llm_studio.probes.gpu_process import NOTHING, GpuReader, Gpus
from llm_studio.probes.host import HostProbe
from llm_studio.probes.lane import Lane
from llm_studio.schema import GpuSample, HostSample, Sample
from llm_studio.studio.samples.alerts import Alerts
from llm_studio.studio.samples.engine_reading import EngineReading, Served
from llm_studio.studio.samples.history import History
from llm_studio.studio.samples.series import numbers_of
from llm_studio.studio.waiters import Waiters

INTERVAL = 1.0
PATIENCE = 0.5
"""Seconds for which a reading is waited for; a later one counts for the next sample."""
FIRST_PATIENCE = 3.0
"""The same before the first: until then it is not known which GPUs there are."""
LOOKS = 10.0
"""Seconds for which one look keeps the sampler going."""
FLUSH_EVERY = 10.0

T = TypeVar("T")


class _Part(Generic[T]):
    """A reading under way, and the last that came in."""

    def __init__(self, first: T) -> None:
        self._task: asyncio.Future[T] | None = None
        self.last = first
        self.fresh = self.known = False
        self.trouble = ""

    def begin(self, read: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        self.fresh = False
        if self._task is None:
            self._task = asyncio.ensure_future(read())
        return self._task

    def take(self) -> None:
        """Note what came in meanwhile."""
        if self._task is None or not self._task.done():
            return
        task, self._task = self._task, None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.last, self.trouble = task.result(), ""
            self.fresh = self.known = True
        else:  # a defect of one probe, which must not end the others
            self.known = True
            self.trouble = f"{type(error).__name__}: {error}"

    async def drop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)
            self._task = None


class Sampler:
    """The one that samples; everybody else reads what it found."""

    def __init__(
        self,
        *,
        served: Callable[[], Sequence[Served]],
        gpus: GpuReader,
        host: HostProbe,
        history: History,
        alerts: Alerts,
        interval: float = INTERVAL,
        complain: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`served` tells which engines run now, the main one first."""
        self._served = served
        self._gpu_reader = gpus
        self._host_probe = host
        self._history = history
        self._alerts = alerts
        self._interval = interval
        self._complain = complain
        self._complained = ""
        self._pids: tuple[int, ...] = ()
        self._host_lane: Lane[HostSample] = Lane("host", self._read_host)
        self._gpus: _Part[Gpus] = _Part(NOTHING)
        self._host: _Part[HostSample] = _Part(HostSample())
        self._engines: dict[str, tuple[EngineReading, _Part[None]]] = {}
        self._looked = -LOOKS
        self._awake = asyncio.Event()
        self._waiters = Waiters()
        self._task: asyncio.Task[None] | None = None
        self._flushed = time.monotonic()
        self._seq = 0
        self.latest: Sample | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sampler")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._gpus.drop()
        await self._host.drop()
        await self._forget_engines(())
        await self._gpu_reader.rest()
        self._host_lane.close()
        self._host_probe.close()
        await asyncio.to_thread(self._history.close)

    # Those who look

    def look(self) -> Sample | None:
        """The latest sample, if it is of now; to ask keeps the sampler going for a while."""
        self._looked = time.monotonic()
        self._awake.set()
        latest = self.latest
        if latest is None or abs(time.time() - latest.time) > 3 * self._interval + PATIENCE:
            return None
        return latest

    def wake(self) -> None:
        """A model is being loaded."""
        self._awake.set()

    async def next(self, seq: int, limit: float) -> Sample | None:
        """A sample after the number; what there is when the time is up."""
        deadline = time.monotonic() + limit
        while True:
            found = self.look()
            left = deadline - time.monotonic()
            if (found is not None and found.seq > seq) or left <= 0:
                return found
            await self._waiters.wait(min(left, LOOKS / 2))

    # Sampling

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            served = self._served_now()
            if not served and time.monotonic() - self._looked >= LOOKS:
                await self._rest()
                due = time.monotonic()
                continue
            try:
                await self._sample(served)
            except Exception as error:  # a defect must not end sampling for good
                self._complain_once(f"sampling failed: {type(error).__name__}: {error}")
            due += self._interval
            late = time.monotonic() - due
            if late > self._interval:  # the machine slept, or is overloaded: what was is missed
                due += late
            await asyncio.sleep(max(due - time.monotonic(), 0.0))

    def _served_now(self) -> Sequence[Served]:
        try:
            return self._served()
        except Exception as error:
            self._complain_once(f"no engine can be sampled: {type(error).__name__}: {error}")
            return []

    def _complain_once(self, text: str) -> None:
        if text != self._complained:
            self._complained = text
            self._complain(text)

    async def _rest(self) -> None:
        """Nobody looks and nothing is loaded: do nothing until that changes."""
        self._awake.clear()
        await self._gpus.drop()
        await self._gpu_reader.rest()
        await self._forget_engines(())
        self._history.flush()
        await self._awake.wait()

    async def _sample(self, served: Sequence[Served]) -> None:
        self._pids = tuple(engine.pid for engine in served if engine.pid)
        if len(self._engines) > len(served):
            await self._forget_engines(served)
        asked: list[asyncio.Future[Any]] = [
            self._gpus.begin(self._gpu_reader.read),
            self._host.begin(lambda: asyncio.wrap_future(self._host_lane.ask())),
        ]
        for engine in served:
            if engine.instance not in self._engines:
                self._engines[engine.instance] = (EngineReading(), _Part(None))
            reading, part = self._engines[engine.instance]
            asked.append(part.begin(partial(reading.read, engine)))
        if self._gpus.known and self._host.known:
            await asyncio.wait(asked, timeout=min(PATIENCE, self._interval / 2))
        else:
            await asyncio.wait(asked[:2], timeout=FIRST_PATIENCE)
        self._keep(self._sample_of(served))

    def _sample_of(self, served: Sequence[Served]) -> Sample:
        parts: list[_Part[Any]] = [self._gpus, self._host]
        parts += [part for _, part in self._engines.values()]
        for part in parts:
            part.take()
        self._seq += 1
        engines = []
        for engine in served:
            reading, of_engine = self._engines[engine.instance]
            engines.append(reading.sample(engine, fresh=of_engine.fresh))
        main = [found for found, engine in zip(engines, served, strict=True) if engine.main]
        host = self._host
        return Sample(
            seq=self._seq,
            time=time.time(),
            gpus=[self._marked(gpu) for gpu in self._gpus.last.gpus],
            host=host.last if host.fresh else host.last.model_copy(update={"stale": True}),
            engine=main[0] if main else None,
            beside=[found for found in engines if found not in main],
            alerts=self._alerts.active,
            notes=[*self._gpus.last.notes, *(part.trouble for part in parts if part.trouble)],
        )

    def _keep(self, sample: Sample) -> None:
        self.latest = sample
        self._history.add(sample.time, numbers_of(sample))
        self._alerts.look(sample)
        if time.monotonic() - self._flushed >= FLUSH_EVERY:
            self._flushed = time.monotonic()
            self._history.flush()
        self._waiters.wake()

    def _marked(self, gpu: GpuSample) -> GpuSample:
        """The GPU, with the engines' own processes known as such."""
        changes: dict[str, object] = {}
        if not self._gpus.fresh:
            changes["stale"] = True
        pids = self._host_probe.engine_pids
        if pids and any(process.pid in pids for process in gpu.processes or ()):
            changes["processes"] = [
                process.model_copy(update={"engine": process.pid in pids})
                for process in gpu.processes or ()
            ]
        return gpu.model_copy(update=changes) if changes else gpu

    def _read_host(self) -> HostSample:
        return HostSample(**self._host_probe.read(self._pids))

    async def _forget_engines(self, served: Sequence[Served]) -> None:
        running = {engine.instance for engine in served}
        for instance in self._engines.keys() - running:
            reading, part = self._engines.pop(instance)
            await part.drop()
            await reading.close()
