"""What is wished for and what is: one small immutable value, replaced as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from llm_studio.studio.waiters import Waiters


class Phase(StrEnum):
    """What the engine is doing. `asleep` is unloaded until a request comes."""

    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    FAILED = "failed"
    ASLEEP = "asleep"


BUSY = frozenset({Phase.STARTING, Phase.LOADING, Phase.DRAINING, Phase.STOPPING})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it is not as wished: for people, with what to do next."""

    cause: str
    what: str
    why: str = ""
    hint: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    last_lines: tuple[str, ...] = ()
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class EngineState:
    kind: str
    instance: str
    detail: str
    since: float
    adopted: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is. `fraction` is None where nothing tells."""

    stage: str
    fraction: float | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def told(self) -> tuple[str, int | None]:
        """What of it is worth telling anew: the stage, and whole hundredths."""
        return self.stage, None if self.fraction is None else int(self.fraction * 100)


@dataclass(frozen=True, slots=True)
class State:
    phase: Phase = Phase.STOPPED
    profile: str | None = None
    """What is served, or on its way there."""
    desired: str | None = None
    engine: EngineState | None = None
    progress: Progress | None = None
    failure: Failure | None = None
    detail: str = ""
    since: float = field(default_factory=time.time)
    version: int = 0


class Store:
    """Holds the present state; who follows it sees each change, or the newest of several."""

    def __init__(self) -> None:
        self.state = State()
        self._waiters = Waiters()
        self._listeners: list[Callable[[State], None]] = []

    def replace(self, **changes: Any) -> State:
        since = time.time() if "phase" in changes else self.state.since
        if changes.get("phase") == self.state.phase:
            since = self.state.since
        self.state = replace(
            self.state, **{"since": since, **changes}, version=self.state.version + 1
        )
        self._waiters.wake()
        for listener in self._listeners:
            listener(self.state)
        return self.state

    def listen(self, listener: Callable[[State], None]) -> None:
        self._listeners.append(listener)

    async def changed(self, version: int, limit: float) -> State:
        """The state once it is newer than a version, or when the time is up."""
        if self.state.version <= version:
            await self._waiters.wait(limit)
        return self.state
