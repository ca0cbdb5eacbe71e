"""Watches an engine that serves: whether it lives, whether it answers, whether anybody uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from llm_studio.engines.base import Engine, Running
from llm_studio.engines.health import HealthProbe
from llm_studio.errors import StudioError
from llm_studio.studio.log import Log
from llm_studio.studio.serving.desk import Desk, Target
from llm_studio.studio.serving.follow import LogFollower
from llm_studio.studio.serving.state import Failure, Phase, Store

LOOK = 2.0
"""Seconds between looks. An end is seen at once: the log ends with the engine."""
ASK = 10.0
"""Seconds between questions whether it answers, as long as it does."""
SILENT_LIMIT = 20.0
"""A server that lives and does not answer for so long does not serve."""


OUT_OF_REACH, PAUSED = AWAY = ("out-of-reach", "paused")
"""Causes of not serving that may go away by themselves: it lives."""


class Happened(Enum):
    ENDED = "ended"
    IDLE = "idle"


class Watch:
    """One engine, from when it is ready until something has to be done about it."""

    def __init__(
        self,
        running: Running,
        engine: Engine,
        health: HealthProbe,
        follower: LogFollower,
        desk: Desk,
        store: Store,
        log: Log,
        target: Target,
    ) -> None:
        self._running = running
        self._engine = engine
        self._health = health
        self._follower = follower
        self._desk = desk
        self._store = store
        self._log = log
        self._target = target
        self._answered = self._asked = time.monotonic()

    @property
    def _lost(self) -> bool:
        """Whether it was told that it does not serve, though it lives."""
        state = self._store.state
        failure = state.failure if state.phase is Phase.FAILED else None
        return failure is not None and failure.cause in AWAY

    async def until(self, idle: Callable[[], int | None]) -> Happened:
        """`idle` tells after how many seconds without a request it is of no use."""
        while True:
            if await self._ended():
                return Happened.ENDED
            if self._idle_since(idle()):
                return Happened.IDLE
            await self._follower.wait(LOOK)

    async def _ended(self) -> bool:
        unknown = ""
        try:
            vitals = await self._engine.vitals(self._running)
            if not vitals.alive:
                return True
            if vitals.resume:
                await self._paused(vitals.resume)
                return False
        except StudioError as error:  # not to know is not to be dead
            unknown = f"{error.what}. {error.why}".strip()
        now = time.monotonic()
        if not unknown and now - self._asked < ASK and not self._lost:
            return False
        self._asked = now
        if (await self._health.ask(self._running)).ready:
            self._answered = now
            await self._serve_again()
        elif unknown or now - self._answered > SILENT_LIMIT:
            await self._out_of_reach(unknown or "It runs, and does not answer.")
        return False

    async def _paused(self, resume: str) -> None:
        what, why = "The engine is paused", "Somebody stopped it, and it keeps its memory."
        failure = Failure(PAUSED, what, why, f"It goes on with:  {resume}")
        await self._away(failure, "paused; it goes on when it is resumed")

    async def _out_of_reach(self, why: str) -> None:
        hint = "It is asked again and again; `llm-studio logs` may tell more."
        failure = Failure(OUT_OF_REACH, "The engine does not answer", why, hint)
        await self._away(failure, "waiting for it to answer")

    async def _away(self, failure: Failure, detail: str) -> None:
        """It may come back by itself; until then nobody is sent to it, and the status says so."""
        if self._store.state.phase is not Phase.READY:
            return
        await self._desk.shut(self._running.profile)
        self._store.replace(phase=Phase.FAILED, failure=failure, detail=detail)
        self._log.add(f"{self._running.profile}: {failure.what}. {failure.why}", level="error")

    async def _serve_again(self) -> None:
        if self._lost:
            await self._desk.open(self._target)
            self._store.replace(phase=Phase.READY, failure=None, detail="")
            self._log.add(f"{self._running.profile} answers again")

    def _idle_since(self, idle: int | None) -> bool:
        unused = not self._desk.running and not self._desk.waiting
        return bool(idle) and unused and time.monotonic() - self._desk.last_used >= (idle or 0)
