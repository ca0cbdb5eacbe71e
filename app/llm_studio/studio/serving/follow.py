"""Follows an engine's log into the studio's, and reads from it how far a load is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

from llm_studio.engines.base import Engine, Running
from llm_studio.engines.log_events import FITTING, LOADING, READY, Buffer, Stage
from llm_studio.engines.logs import level_of, parse
from llm_studio.errors import StudioError
from llm_studio.studio.log import Level, Log
from llm_studio.studio.samples.allocation import Allocation

KEPT = 400
BATCH = 200
"""Lines for which the studio does nothing else: a millisecond's work."""
REST = 1.0
"""Rest after a batch, in proportion to the time it took: longer on a machine that is busy."""
FINISH = 3.0
AGAIN = 1.0


class LogFollower:
    """One engine's lines, in batches, and what they tell."""

    def __init__(self, engine: Engine, running: Running, log: Log) -> None:
        self._engine = engine
        self._running = running
        self._log = log
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._first_errors: list[str] = []
        self._mark = ""
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.last_sign = time.monotonic()
        self.stage: Stage | None = None
        """How far it is, as it last said."""
        self.allocated: dict[str, float] = {}
        """MiB that it says it took, by device."""
        self.allocation = Allocation()

    @property
    def over(self) -> bool:
        """Whether the log has ended, as it does with the engine."""
        return self._task is None or self._task.done()

    async def wait(self, limit: float) -> None:
        """Until the log ends, or the time is up."""
        if self._task is None or self.over:
            await asyncio.sleep(min(limit, FINISH / 10))
        else:
            await asyncio.wait([self._task], timeout=limit)

    async def until_ready_said(self, limit: float) -> None:
        """Until the engine says once more that it is ready, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._ready.wait()
        self._ready.clear()

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The newest lines, after the first errors, which tell the cause and may be long gone."""
        errors = [line for line in self._first_errors if line not in self._kept]
        return (*errors, *self._kept)

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="engine log")

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
                return
            except StudioError as error:  # the daemon went away; the engine may well run on
                self._log.add(f"the engine's log is cut off: {error.what}", level="warning")
                await asyncio.sleep(AGAIN)
            except Exception as error:  # a defect must not vanish with its task
                told = f"{type(error).__name__}: {error}"
                self._log.add(f"the engine's log is not read any more: {told}", level="error")
                return

    async def _read(self) -> None:
        batch: list[tuple[str, Level, float]] = []
        later, begun = asyncio.get_running_loop().call_later, time.perf_counter()
        try:
            async for line in self._engine.log(self._running, self._mark):
                text = line.text
                if line.gap:
                    self._hand_over(batch)
                    self._log.gap(line.gap, line.missing)
                level: Level = level_of(text)
                batch.append((text, level, line.time))
                self._kept.append(text)
                if level == "error" and len(self._first_errors) < 10:
                    self._first_errors.append(text)
                if self.stage is None or self.stage.name != READY:
                    self._notice(text)
                self._mark = line.mark
                if len(batch) >= BATCH:
                    self._hand_over(batch)
                    await asyncio.sleep(REST * (time.perf_counter() - begun))
                    begun = time.perf_counter()
                elif len(batch) == 1:
                    self.last_sign, begun = time.monotonic(), time.perf_counter()
                    later(0.05, self._hand_over, batch)
        finally:
            self._hand_over(batch)

    def _hand_over(self, batch: list[tuple[str, Level, float]]) -> None:
        if batch:
            lines = list(batch)
            batch.clear()
            self._log.extend(lines, source="engine")

    def _notice(self, text: str) -> None:
        event = parse(text)
        self.allocation.take(event)
        if isinstance(event, Stage):
            if self.stage and self.stage.name == FITTING and event.name == LOADING:
                self.allocated.clear()  # till now it only tried what would fit
            self.stage = event
            if event.name == READY:
                self._ready.set()
        elif isinstance(event, Buffer):
            self.allocated[event.device] = self.allocated.get(event.device, 0.0) + event.mib

    async def finish(self) -> None:
        """Read what an engine that has ended left behind, but do not wait for ever."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=FINISH)
            await self.abandon()

    async def abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
