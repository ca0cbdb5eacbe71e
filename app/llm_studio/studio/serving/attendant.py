"""The engine that runs now: started, waited for, opened to requests, drained, ended.

What is done, and never whether: that is the supervisor's to decide.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_studio.engines.base import Engine, Launch, Running, Vitals
from llm_studio.engines.health import HealthProbe
from llm_studio.errors import NotReady, StudioError
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.log import Level, Log
from llm_studio.studio.serving.desk import Desk, Target
from llm_studio.studio.serving.ending import explained
from llm_studio.studio.serving.follow import LogFollower
from llm_studio.studio.serving.freeing import Free, until_free
from llm_studio.studio.serving.loading import STALL_LIMIT, Ended, Loading
from llm_studio.studio.serving.state import EngineState, Failure, Phase, Progress, Store

DRAIN_LIMIT = 30.0
STOP_GRACE = 10.0
ON_PROCESSOR = (
    "it computes on the processor alone, for its engine found no GPU; `llm-studio doctor` says why"
)

Memory = Mapping[str, int]
"""Bytes, by GPU; the host's under ""."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A profile that is ready to be started: checked, planned, with the engine that will run it."""

    launch: Launch
    engine: Engine
    aliases: tuple[str, ...]
    idle_seconds: int | None
    size: int = 0
    """Bytes of all files that it loads."""
    note: str = ""
    """What users should know of it while it serves."""
    on_gpus: bool = False
    """Whether it was planned for GPUs, all or in part."""


class Away(NotReady):
    """No engine can be used for now, as without Docker: that may pass by itself."""


class Failed(StudioError):
    """It was tried, and this is why it did not work."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what, why=failure.why, hint=failure.hint)
        self.failure = failure


@dataclass(slots=True)
class Current:
    """What belongs to the engine that runs now."""

    running: Running
    engine: Engine
    follower: LogFollower
    held: Memory | None = None
    """What it took; None where it was found running."""
    idle: int | None = None
    """Seconds without a request after which it is unloaded."""
    note: str = ""
    stopping: bool = False

    @property
    def target(self) -> Target:
        running = self.running
        return Target(
            running.address, running.key, running.profile, running.instance,
            image=running.image, model=running.model, models=running.models,
        )  # fmt: skip

    async def failed(self, vitals: Vitals | None = None) -> Failed:
        """Why it ended."""
        return Failed(await explained(self.running, self.engine, self.follower, vitals))


class Attendant:
    """One engine at a time, with the desk before it and the state that tells of it."""

    def __init__(
        self,
        *,
        desk: Desk,
        store: Store,
        log: Log,
        jobs: Jobs,
        health: HealthProbe,
        stall_limit: float = STALL_LIMIT,
        free: Free = dict,
        loaded: Callable[[Launch, Mapping[str, float], Memory], None] = lambda *_: None,
    ) -> None:
        """`loaded` is told of each load: the MiB that the engine says it took, and the bytes that
        are gone."""
        self.desk = desk
        self.store = store
        self.log = log
        self.jobs = jobs
        self.health = health
        self.now: Current | None = None
        self._stall_limit = stall_limit
        self._free = free
        self._loaded = loaded

    async def start(self, prepared: Prepared, job: Job) -> Current:
        """Returns once it serves; whoever called ends what is left where it does not."""
        launch, engine = prepared.launch, prepared.engine
        id_ = launch.entry.id
        begun = time.monotonic()
        self.store.replace(profile=id_, failure=None, engine=None)
        self._note(job, Phase.STARTING, Progress(f"starting {engine.kind}"))
        before = await asyncio.to_thread(self._free)
        now = self.attach(await engine.start(launch), engine, adopted=False)
        self._note(job, Phase.LOADING, Progress("loading the model"))
        await self.until_ready(now, job, prepared.aliases, prepared.size)
        now.idle, now.note = prepared.idle_seconds, prepared.note
        if prepared.on_gpus and now.follower.allocation.on_host_alone:
            now.note = "; ".join(filter(None, (now.note, ON_PROCESSOR)))
            self.say(f"{id_}: {ON_PROCESSOR}", "warning")
        after = await asyncio.to_thread(self._free)
        now.held = {gpu: max(size - after.get(gpu, 0), 0) for gpu, size in before.items()}
        self._loaded(launch, now.follower.allocated, now.held)
        self.say(f"{id_} is ready after {time.monotonic() - begun:.1f} s")
        return now

    def attach(self, running: Running, engine: Engine, *, adopted: bool) -> Current:
        """From now on this engine is ours to look after."""
        follower = LogFollower(engine, running, self.log)
        follower.start()
        self.now = Current(running, engine, follower)
        self.store.replace(
            engine=EngineState(
                running.kind, running.instance, running.detail, running.started, adopted
            )
        )
        return self.now

    async def until_ready(
        self, now: Current, job: Job, names: tuple[str, ...] = (), size: int = 0
    ) -> None:
        loading = Loading(
            now.running, now.engine, self.health, now.follower,
            stall_limit=self._stall_limit, size=size, free=self._free,
        )  # fmt: skip
        try:
            await loading.until_ready(names, lambda p: self._note(job, Phase.LOADING, p))
        except Ended as error:
            raise await now.failed(error.vitals) from error

    async def stop(self, job: Job | None, *, drain: bool = True) -> None:
        """Let running requests end, unless they are to be cut off, then end the engine; afterwards
        nothing of it is left."""
        now = self.now
        if now is None:
            return
        if self.desk.running:
            self._note(job, Phase.DRAINING, Progress(f"waiting for {_requests(self.desk.running)}"))
            if not await self.desk.drained(DRAIN_LIMIT if drain else 0.0):
                self.say(f"cut off: {_requests(self.desk.running)}", "warning")
        self._note(job, Phase.STOPPING, Progress(f"stopping {now.running.profile}"))
        before = await asyncio.to_thread(self._free)
        now.stopping = True
        await now.engine.stop(now.running, STOP_GRACE)
        self.desk.let_go()
        await now.follower.finish()
        await now.engine.forget(now.running)
        self.now = None
        await self._until_free(now, before)

    async def _until_free(self, ended: Current, before: Memory) -> None:
        held = {gpu: size for gpu, size in (ended.held or {}).items() if gpu}
        missing = await until_free(
            self._free, {gpu: before.get(gpu, 0) + size for gpu, size in held.items()}
        )
        if missing:
            self.say(f"{missing} did not come back from {ended.running.profile}", "warning")

    def say(self, text: str, level: Level = "info") -> None:
        self.log.add(text, source="studio", level=level)

    def _note(self, job: Job | None, phase: Phase, progress: Progress) -> None:
        self.store.replace(phase=phase, progress=progress)
        if job is not None:
            job.message, job.fraction = progress.stage, progress.fraction
            self.jobs.touch(job)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
