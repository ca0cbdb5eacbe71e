"""What an engine does now, asked no more than its work makes necessary."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from llm_studio.probes.engine import EngineProbe
from llm_studio.schema import DeviceSplit, EngineSample

IDLE_EVERY = 60.0
"""Seconds after which an engine that does nothing is asked all the same: it logs each question."""


@dataclass(frozen=True, slots=True)
class Served:
    """An engine that runs now, as far as reading it needs to know."""

    main: bool
    profile: str
    instance: str
    ready: bool
    address: str
    key: str
    pid: int
    """Of its process on this machine; 0 where that is not known."""
    running: int
    waiting: int
    memory: list[DeviceSplit]
    slots: bool = True
    """Whether it may be asked for its slots; a model that dozes off would be kept awake by it."""


class EngineReading:
    """One engine's figures, the last that it told."""

    def __init__(self) -> None:
        self._probe = EngineProbe()
        self._figures: dict[str, Any] = {}
        self._asked = 0.0
        self._time = 0.0

    async def read(self, engine: Served) -> None:
        if not engine.ready:
            self._figures = {}
        elif self._needless(engine):
            self._probe.idle()
            self._figures |= {"speed": 0.0, "prompt_speed": 0.0}
        else:
            self._asked = time.monotonic()
            self._figures = await self._probe.read(engine.address, engine.key, slots=engine.slots)
        self._time = time.time()

    def _needless(self, engine: Served) -> bool:
        """Everybody comes by the gateway, so nothing happens while nobody does."""
        idle = self._figures.get("busy") == 0 and not self._figures.get("queue")
        return idle and not engine.running and time.monotonic() - self._asked < IDLE_EVERY

    def sample(self, engine: Served, *, fresh: bool) -> EngineSample:
        return EngineSample(
            time=self._time,
            stale=not fresh,
            profile=engine.profile,
            instance=engine.instance,
            running=engine.running,
            waiting=engine.waiting,
            memory=engine.memory,
            **self._figures,
        )

    async def close(self) -> None:
        await self._probe.close()
