"""Which engines run now, as the sampler needs to know it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

from llm_studio.engines.base import Engine, Running
from llm_studio.errors import StudioError
from llm_studio.studio.samples.engine_reading import Served
from llm_studio.studio.serving.berths import Berths
from llm_studio.studio.serving.state import Phase

ASK_AGAIN = 10.0
_DOZES = "--sleep-idle-seconds"


class ServedEngines:
    """Every berth's engine, with the number of its process once that was found out."""

    def __init__(self, berths: Berths, engines: Mapping[str, Engine]) -> None:
        self._berths = berths
        self._engines = engines
        self._pids: dict[str, int] = {}
        self._asked: dict[str, float] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def __call__(self) -> list[Served]:
        served = []
        for berth in self._berths:
            running = berth.supervisor.serving
            if running is None:
                continue
            served.append(
                Served(
                    main=berth is self._berths.main,
                    profile=running.profile,
                    instance=running.instance,
                    ready=berth.store.state.phase in (Phase.READY, Phase.DRAINING),
                    address=running.address,
                    key=running.key,
                    pid=self._pid(running),
                    running=berth.desk.running,
                    waiting=berth.desk.waiting,
                    memory=berth.supervisor.allocated,
                    slots=not any(word.startswith(_DOZES) for word in running.command),
                )
            )
        instances = {engine.instance for engine in served}
        self._pids = {each: pid for each, pid in self._pids.items() if each in instances}
        self._asked = {each: at for each, at in self._asked.items() if each in instances}
        return served

    def _pid(self, running: Running) -> int:
        """Its process here; asked for in the background, since Docker may be slow to tell."""
        instance, now = running.instance, time.monotonic()
        pid = self._pids.get(instance, 0)
        if not pid and now - self._asked.get(instance, -ASK_AGAIN) >= ASK_AGAIN:
            self._asked[instance] = now
            task = asyncio.create_task(self._ask(running), name="engine process")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return pid

    async def _ask(self, running: Running) -> None:
        engine = self._engines.get(running.kind)
        if engine is not None:
            with contextlib.suppress(StudioError):
                self._pids[running.instance] = (await engine.vitals(running)).pid

    async def close(self) -> None:
        for task in list(self._asking):
            task.cancel()
            await asyncio.wait([task])
