"""Makes what is served what is wished for, and tells the truth about both.

A switch is a transaction: everything that can be known beforehand is checked before the present
model is touched; then requests drain, the old engine stops, the new one starts and must say itself
that it serves what was asked. If it does not, the last good profile comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_studio.engines.base import Engine, Launch, Running
from llm_studio.engines.health import HealthProbe
from llm_studio.errors import StudioError
from llm_studio.studio.desk import Desk, Refusal, Target
from llm_studio.studio.follow import LogFollower
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.log import Log
from llm_studio.studio.state import (
    BUSY,
    EngineState,
    Failure,
    Phase,
    Progress,
    Store,
)

DRAIN_LIMIT = 30.0
STOP_GRACE = 10.0
STALL_LIMIT = 300.0
"""A load that shows no sign of life for so long has hung."""
POLL = 0.1
WATCH = 0.5
RESTART_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0)
RESTART_WINDOW = 600.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A profile that is ready to be started: checked, planned, with the engine that will run it."""

    launch: Launch
    engine: Engine
    aliases: tuple[str, ...]
    idle_seconds: int | None


class Prepare(Protocol):
    """Checks a profile and plans it; the memory of what runs now counts as free if `empty`."""

    async def __call__(self, id_: str, *, empty: bool) -> Prepared: ...


class Busy(StudioError):
    """Another switch is under way."""

    exit_code = 3

    def __init__(self, target: str, job: Job) -> None:
        super().__init__(
            f"A switch to {target!r} is under way",
            hint=f"Wait for it, or cancel it:  llm-studio jobs cancel {job.id}",
        )
        self.target = target
        self.job = job


class Failed(StudioError):
    """It was tried, and this is why it did not work."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what, why=failure.why, hint=failure.hint)
        self.failure = failure


class Supervisor:
    def __init__(
        self,
        *,
        engines: Mapping[str, Engine],
        prepare: Prepare,
        desk: Desk,
        store: Store,
        log: Log,
        jobs: Jobs,
        health: HealthProbe | None = None,
    ) -> None:
        self._engines = engines
        self._prepare = prepare
        self._desk = desk
        self._store = store
        self._log = log
        self._jobs = jobs
        self._health = health or HealthProbe()
        self._running: Running | None = None
        self._follower: LogFollower | None = None
        self._watch: asyncio.Task[None] | None = None
        self._operation: tuple[str, Job] | None = None
        self._last_good: str | None = None
        self._idle: int | None = None
        self._crashes: deque[float] = deque(maxlen=len(RESTART_DELAYS) + 1)

    # Wishes

    @property
    def serving(self) -> Running | None:
        """The engine that runs now, ready or not."""
        return self._running

    def switch(self, id_: str) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already."""
        if self._operation is not None:
            target, job = self._operation
            if target == id_:
                return job
            raise Busy(target, job)
        state = self._store.state
        if state.phase is Phase.READY and state.profile == id_:
            return None
        return self._begin(id_, "switch", f"Serve {id_}", lambda job: self._serve(id_, job))

    def stop(self) -> Job | None:
        """Stop serving; a switch under way is cancelled first."""
        if self._operation is not None:
            target, job = self._operation
            if not target:
                return job
            self._jobs.cancel(job.id)
        elif self._running is None and self._store.state.phase in (Phase.STOPPED, Phase.FAILED):
            self._store.replace(phase=Phase.STOPPED, desired=None, profile=None, failure=None)
            return None
        return self._begin("", "stop", "Stop serving", self._end)

    def _begin(self, target: str, kind: str, title: str, work: Callable[[Job], object]) -> Job:
        before = self._operation

        async def run(job: Job) -> object:
            if before is not None:
                await self._jobs.ended(before[1])
            try:
                return await work(job)  # type: ignore[misc]
            finally:
                if self._operation is not None and self._operation[1] is job:
                    self._operation = None

        job = self._jobs.start(kind, title, run)
        self._operation = (target, job)
        return job

    # A switch

    async def _serve(self, id_: str, job: Job) -> object:
        previous = self._last_good
        self._store.replace(desired=id_)
        try:
            await self._prepare(id_, empty=True)
        except StudioError as error:
            self._store.replace(desired=self._store.state.profile)
            self._say(f"{id_} cannot be served: {error.sentence}", "error")
            raise
        await self._desk.shut(id_)
        try:
            await self._stop_running(job)
            return await self._start(await self._prepare(id_, empty=False), job)
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(id_))
            raise
        except StudioError as error:
            failure = await self._fail(id_, error)
            if previous and previous != id_ and job.kind == "switch":
                await self._go_back(previous, job, failure)
            raise Failed(failure) from error

    async def _start(self, prepared: Prepared, job: Job) -> dict[str, object]:
        launch, engine = prepared.launch, prepared.engine
        id_ = launch.entry.id
        begun = time.monotonic()
        self._note(job, Phase.STARTING, f"starting {engine.kind}")
        self._store.replace(profile=id_, failure=None, engine=None)
        self._running = running = await engine.start(launch)
        self._attach(running, engine, adopted=False)
        self._note(job, Phase.LOADING, "loading the model")
        await self._until_ready(running, engine, prepared.aliases, job)
        took = time.monotonic() - begun
        await self._ready(running, prepared.idle_seconds)
        self._say(f"{id_} is ready after {took:.1f} s")
        return {"profile": id_, "seconds": round(took, 3)}

    def _attach(self, running: Running, engine: Engine, *, adopted: bool) -> None:
        self._follower = LogFollower(engine, running, self._log, self._store)
        self._follower.start()
        self._store.replace(
            engine=EngineState(
                running.kind, running.instance, running.detail, running.started, adopted
            )
        )

    async def _until_ready(
        self, running: Running, engine: Engine, aliases: Sequence[str], job: Job
    ) -> None:
        """Returns when the engine serves what was asked; raises when it ended, or hangs."""
        assert self._follower is not None
        told = None
        while True:
            vitals = await engine.vitals(running)
            if not vitals.alive:
                raise await self._explained(running, engine)
            health = await self._health.ask(running)
            if health.ready:
                break
            progress = self._store.state.progress
            if progress is not None and progress != told:
                told = progress
                job.message, job.fraction = progress.stage, progress.fraction
                self._jobs.touch(job)
            if time.monotonic() - self._follower.last_sign > STALL_LIMIT:
                raise StudioError(
                    "The model does not load on",
                    why=f"For {STALL_LIMIT:.0f} s there was no sign of life from the engine.",
                    hint="Look at `llm-studio logs`; the disk may be very slow.",
                )
            await asyncio.sleep(POLL)
        if aliases and health.models and not set(aliases) & set(health.models):
            raise StudioError(
                "Another model answers than was asked for",
                why=f"It calls itself {', '.join(health.models)}.",
                hint="Something else may listen at that address.",
            )

    async def _ready(self, running: Running, idle: int | None) -> None:
        self._last_good, self._idle = running.profile, idle
        self._store.replace(
            phase=Phase.READY, profile=running.profile, desired=running.profile,
            progress=None, failure=None, detail="",
        )  # fmt: skip
        target = Target(running.address, running.key, running.profile, running.instance)
        await self._desk.open(target)
        self._watch = asyncio.create_task(self._watch_over(running), name="watch")

    # An end

    async def _end(self, job: Job) -> object:
        self._store.replace(desired=None)
        await self._desk.shut(None)
        await self._stop_running(job)
        self._store.replace(
            phase=Phase.STOPPED, profile=None, engine=None, progress=None, failure=None, detail=""
        )
        return {"profile": None}

    async def _stop_running(self, job: Job | None, *, drain: float | None = None) -> None:
        """Let running requests end, then end the engine; afterwards nothing of it is left."""
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        self._watch = None
        running = self._running
        if running is None:
            return
        engine = self._engines[running.kind]
        if self._desk.running:
            self._note(job, Phase.DRAINING, f"waiting for {self._desk.running} requests")
            if not await self._desk.drained(DRAIN_LIMIT if drain is None else drain):
                self._say(f"{self._desk.running} requests were cut off", "warning")
        self._note(job, Phase.STOPPING, f"stopping {running.profile}")
        await engine.stop(running, STOP_GRACE)
        if self._follower is not None:
            await self._follower.finish()
            self._follower = None
        await engine.forget(running)
        self._running = None

    async def _abandon(self, id_: str) -> None:
        """A switch was cancelled: whatever of it was started ends."""
        await self._stop_running(None, drain=0.0)
        await self._desk.shut(None)
        self._store.replace(
            phase=Phase.STOPPED, profile=None, desired=None, engine=None, progress=None,
            detail=f"the switch to {id_} was cancelled",
        )  # fmt: skip
        self._say(f"the switch to {id_} was cancelled")

    async def _fail(self, id_: str, error: StudioError) -> Failure:
        if isinstance(error, Failed):
            failure = error.failure
        else:
            failure = Failure(type(error).__name__, error.what, error.why, error.hint)
        await self._stop_running(None, drain=0.0)
        await self._desk.shut(None)
        self._store.replace(
            phase=Phase.FAILED, profile=id_, engine=None, progress=None, failure=failure
        )
        self._say(f"{id_}: {failure.what}. {failure.why}", "error")
        return failure

    async def _go_back(self, previous: str, job: Job, failure: Failure) -> None:
        """The last good profile is served again; the failure stays to be read."""
        self._say(f"going back to {previous}")
        try:
            await self._desk.shut(previous)
            await self._start(await self._prepare(previous, empty=False), job)
        except StudioError as error:
            self._last_good = None
            await self._fail(previous, error)
        else:
            self._store.replace(failure=failure, detail=f"went back to {previous}")

    async def _explained(self, running: Running, engine: Engine) -> Failed:
        """Why an engine ended, from its exit code, Docker's words and its last lines."""
        from llm_studio.engines.failures import Ended, explain

        lines: tuple[str, ...] = ()
        if self._follower is not None:
            await self._follower.finish()
            lines = self._follower.last_lines
        vitals = await engine.vitals(running)
        found = explain(
            Ended(
                exit_code=vitals.exit_code,
                out_of_memory=vitals.out_of_memory,
                error=vitals.error,
                lines=lines,
                command=running.command,
                kind=running.kind,
            )
        )
        return Failed(
            Failure(
                found.cause, found.what, found.why, found.hint, vitals.exit_code,
                vitals.out_of_memory, lines[-20:],
            )
        )  # fmt: skip

    # While it serves

    async def _watch_over(self, running: Running) -> None:
        """Notices an end that nobody wished for, and a model that nobody uses."""
        engine = self._engines[running.kind]
        while True:
            await asyncio.sleep(WATCH)
            try:
                vitals = await engine.vitals(running)
            except StudioError as error:  # not to know is not to be dead
                self._store.replace(detail=f"its state is unknown: {error.what}")
                continue
            if not vitals.alive:
                await self._crashed(running, engine)
                return
            if self._store.state.detail.startswith("its state is unknown"):
                self._store.replace(detail="")
            unused = not self._desk.running and not self._desk.waiting
            if self._idle and unused and time.monotonic() - self._desk.last_used >= self._idle:
                await self._sleep(running)
                return

    async def _sleep(self, running: Running) -> None:
        self._say(f"{running.profile} was idle for {self._idle} s and is unloaded")
        await self._desk.shut(None, asleep=running.profile)
        await self._stop_running(None)
        self._store.replace(phase=Phase.ASLEEP, engine=None, detail="wakes with the next request")

    async def _crashed(self, running: Running, engine: Engine) -> None:
        failed = await self._explained(running, engine)
        id_ = running.profile
        await self._desk.shut(id_)
        await self._fail(id_, failed)
        now = time.monotonic()
        self._crashes.append(now)
        recent = sum(1 for at in self._crashes if now - at < RESTART_WINDOW)
        if recent > len(RESTART_DELAYS):
            self._say(
                f"{id_} crashed {recent} times in {RESTART_WINDOW / 60:.0f} minutes: given up"
            )
            self._store.replace(detail="crashed again and again; not started any more")
            return
        delay = RESTART_DELAYS[recent - 1]
        self._store.replace(detail=f"starts again in {delay:.0f} s", desired=id_)
        await self._desk.shut(id_)
        await asyncio.sleep(delay)
        if self._operation is None and self._store.state.desired == id_:
            self._begin(id_, "restart", f"Restart {id_}", lambda job: self._serve(id_, job))

    # Taking over

    async def adopt(self) -> None:
        """Find the engine that an earlier studio started, and go on serving with it."""
        for engine in self._engines.values():
            with contextlib.suppress(StudioError):
                for running in await engine.running():
                    if self._running is None and await self._take_over(running, engine):
                        continue
                    self._say(f"ends a leftover engine, {running.detail}", "warning")
                    await engine.stop(running, STOP_GRACE)
                    await engine.forget(running)

    async def _take_over(self, running: Running, engine: Engine) -> bool:
        health = await self._health.ask(running)
        if not health.answers:
            return False
        self._running = running
        self._attach(running, engine, adopted=True)
        self._say(f"adopted {running.profile} ({running.detail})")
        if health.ready:
            idle = None
            with contextlib.suppress(StudioError):
                idle = (await self._prepare(running.profile, empty=True)).idle_seconds
            await self._ready(running, idle)
            return True
        job = self._begin(
            running.profile,
            "switch",
            f"Serve {running.profile}",
            lambda job: self._wait_adopted(running, engine, job),
        )
        self._store.replace(phase=Phase.LOADING, profile=running.profile, desired=running.profile)
        await self._desk.shut(running.profile)
        return job is not None

    async def _wait_adopted(self, running: Running, engine: Engine, job: Job) -> object:
        try:
            await self._until_ready(running, engine, (), job)
        except StudioError as error:
            raise Failed(await self._fail(running.profile, error)) from error
        await self._ready(running, None)
        return {"profile": running.profile}

    async def wake(self, id_: str) -> None:
        """A request needs this profile: switch to it, and let failures become refusals."""
        try:
            job = self.switch(id_)
        except Busy as busy:
            await self._jobs.ended(busy.job)
            return
        if job is not None:
            await self._jobs.ended(job)
            if job.state != "done":
                raise Refusal(503, job.error or "The model was not loaded", hint=job.hint)

    async def close(self) -> None:
        """The studio ends; the engine serves on, to be adopted."""
        for task in (self._watch,):
            if task is not None:
                task.cancel()
        if self._follower is not None:
            await self._follower.abandon()
        await self._health.close()

    def _note(self, job: Job | None, phase: Phase, stage: str) -> None:
        self._store.replace(phase=phase, progress=Progress(stage))
        if job is not None:
            job.message, job.fraction = stage, None
            self._jobs.touch(job)

    def _say(self, text: str, level: str = "info") -> None:
        self._log.add(text, source="studio", level=level)  # type: ignore[arg-type]

    @property
    def busy(self) -> bool:
        return self._store.state.phase in BUSY
