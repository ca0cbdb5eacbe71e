"""The samples of this studio: read, kept, watched, asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

from llm_studio.engines.base import Engine
from llm_studio.errors import NotReady
from llm_studio.probes.gpu_process import GpuReader
from llm_studio.probes.host import HostProbe
from llm_studio.schema import HistoryPage, Sample
from llm_studio.settings import Settings
from llm_studio.studio.log import Log
from llm_studio.studio.samples.alerts import Alerts, Limits
from llm_studio.studio.samples.curves import curves
from llm_studio.studio.samples.history import History
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.sampler import Sampler
from llm_studio.studio.samples.served import ServedEngines
from llm_studio.studio.serving.berths import Berths

FIRST_SAMPLE = 5.0
"""Seconds that somebody waits who asks first, while nothing was sampled."""


class Samples:
    """What faces ask for samples and for their past."""

    def __init__(
        self,
        settings: Settings,
        berths: Berths,
        engines: Mapping[str, Engine],
        marks: Marks,
        log: Log,
        gpus: GpuReader | None = None,
    ) -> None:
        self.marks = marks
        self.history = History(
            settings.paths.state / "history",
            complain=lambda text: log.add(text, level="warning"),
        )
        limits = Limits(**{field.name: settings.alert(field.name) for field in fields(Limits)})
        self._begun: asyncio.Task[None] | None = None
        self._served = ServedEngines(berths, engines)
        self.sampler = Sampler(
            served=self._served,
            gpus=gpus or GpuReader(),
            host=HostProbe(settings.models[0]),
            history=self.history,
            alerts=Alerts(limits, marks, log),
            complain=lambda text: log.add(text, level="error"),
        )

    def start(self) -> None:
        self._begun = asyncio.create_task(self._begin(), name="samples")

    async def _begin(self) -> None:
        """The past is read first, so that the present goes on where it ended."""
        await asyncio.to_thread(self.history.load)
        await self.sampler.start()

    async def close(self) -> None:
        if self._begun is not None:
            await self._begun
        await self.sampler.close()
        await self._served.close()

    async def soon(self) -> Sample | None:
        """A sample of now; whoever asks first waits for the first, if there will be one."""
        found = self.sampler.look()
        if found is None and self._begun is not None:
            found = await self.sampler.next(0, FIRST_SAMPLE)
        return found

    async def now(self) -> Sample:
        """How it is now."""
        found = await self.soon()
        if found is None:
            raise NotReady("Nothing was sampled yet", hint="Ask again in a moment.")
        return found

    async def past(
        self, start: float, end: float, resolution: float, series: Sequence[str]
    ) -> HistoryPage:
        """Curves of a range. A series is named in full, or by what it begins with and a `*`."""
        if self._begun is not None:
            await asyncio.shield(self._begun)
        wanted = _wanted(series)
        count = sum(map(wanted, self.history.names))
        resolution, slices = self.history.slices(start, end, resolution, count)
        times, found = await asyncio.to_thread(curves, slices, resolution, wanted)
        return HistoryPage(
            resolution=resolution,
            times=times,
            series=found,
            marks=self.marks.between(start, end),
            known=sorted({name for each in slices for name in each.columns}),
        )


def _wanted(series: Sequence[str]) -> Callable[[str], bool]:
    whole = {name for name in series if not name.endswith("*")}
    begins = tuple(name[:-1] for name in series if name.endswith("*"))
    return lambda name: not series or name in whole or name.startswith(begins)


def engine_memory(sample: Sample) -> dict[str, int]:
    """Bytes that engines of the studio hold, by GPU as plans know it, as far as drivers tell."""
    return {
        gpu.uuid or f"GPU {gpu.index}": sum(each.memory or 0 for each in own)
        for gpu in sample.gpus
        if (own := [each for each in gpu.processes or () if each.engine])
    }
