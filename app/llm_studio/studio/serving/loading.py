"""Watches an engine from its start until it serves: how far it is, and whether it hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from llm_studio.engines.base import Engine, Running, Vitals
from llm_studio.engines.health import HealthProbe
from llm_studio.engines.log_events import LOADING, WARMING
from llm_studio.errors import StudioError
from llm_studio.probes.reading import bytes_taken
from llm_studio.studio.serving.follow import LogFollower
from llm_studio.studio.serving.state import Progress

POLL = 0.05
"""Seconds between questions to an engine that starts; they grow to `SLOW` while it loads."""
SLOW = 0.5
PULSE = 0.5
STALL_LIMIT = 300.0
"""A load that shows no sign of life for so long has hung."""


class Ended(StudioError):
    """The engine ended before it served."""

    def __init__(self, vitals: Vitals) -> None:
        super().__init__("The engine ended")
        self.vitals = vitals


class Loading:
    """One engine on its way to serve."""

    def __init__(
        self,
        running: Running,
        engine: Engine,
        health: HealthProbe,
        follower: LogFollower,
        *,
        stall_limit: float = STALL_LIMIT,
        size: int = 0,
        free: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`size` is of all files that it loads; `free` tells the GPUs' memory. Both may be unknown:
        progress is then what the log tells."""
        self._running = running
        self._engine = engine
        self._health = health
        self._follower = follower
        self._stall_limit = stall_limit
        self._size = size
        self._free = free
        self._taken: int | None = None
        self._gpus: Mapping[str, int] = {}
        self._moved = time.monotonic()

    async def until_ready(
        self, names: Sequence[str], told: Callable[[Progress], None]
    ) -> tuple[str, ...]:
        """Returns when the engine itself says that it serves one of the names; `Ended` if it
        ended, another `StudioError` if it hangs or serves something else."""
        pause, looked = POLL, 0.0
        before: Progress | None = None
        while True:
            vitals = await self._engine.vitals(self._running)
            if not vitals.alive:
                raise Ended(vitals)
            health = await self._health.ask(self._running)
            if health.ready:
                break
            if time.monotonic() - looked > PULSE:
                await asyncio.to_thread(self._feel, vitals)
                looked = time.monotonic()
            progress = self._progress(vitals)
            if before is None or progress.told != before.told:
                told(progress)
                before = progress
            silent = time.monotonic() - max(self._moved, self._follower.last_sign)
            if silent > self._stall_limit:
                raise StudioError(
                    "The model does not load on",
                    why=f"For {silent:.0f} s nothing was read and nothing was said.",
                    hint="See `llm-studio logs`; the disk may hang, or the driver (`dmesg`). A "
                    "slow one needs a higher `stall_limit` (`llm-studio config`).",
                )
            await self._follower.until_ready_said(pause)
            pause = min(pause * 1.2, SLOW)
        if names and health.models and not set(names) & set(health.models):
            raise StudioError(
                "Another model answers than was asked for",
                why=f"It calls itself {', '.join(health.models)}.",
                hint="Something else may listen at that address.",
            )
        return health.models

    def _feel(self, vitals: Vitals) -> None:
        """Whether anything moved: bytes that were read, memory that a GPU gave."""
        taken = bytes_taken(vitals.pid) if vitals.pid else None
        gpus = {gpu: size for gpu, size in self._free().items() if gpu}  # the host's never rest
        if (taken, gpus) != (self._taken, self._gpus):
            self._taken, self._gpus, self._moved = taken, gpus, time.monotonic()

    def _progress(self, vitals: Vitals) -> Progress:
        if vitals.resume:
            return Progress(f"paused, goes on with {vitals.resume}", None)
        stage = self._follower.stage
        name = stage.name if stage else "loading the model"
        fraction = stage.fraction if stage else None
        if name == LOADING and fraction is None and self._size and self._taken:
            fraction = min(self._taken / self._size, 0.99)
        return Progress(name, None if name == WARMING else fraction)
