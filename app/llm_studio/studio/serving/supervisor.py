"""Makes what is served what is wished for, and tells the truth about both.

A switch is a transaction: everything that can be known beforehand is checked before the present
model is touched; then requests drain, the old engine stops, the new one starts and must say itself
that it serves what was asked. If it does not, the last good profile comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from llm_studio.engines.base import Engine, Running
from llm_studio.errors import StudioError
from llm_studio.schema import DeviceSplit
from llm_studio.studio.jobs import Job
from llm_studio.studio.log import Level
from llm_studio.studio.serving import backoff
from llm_studio.studio.serving.attendant import Attendant, Away, Current, Failed, Memory, Prepared
from llm_studio.studio.serving.backoff import Backoff
from llm_studio.studio.serving.desk import Refusal
from llm_studio.studio.serving.state import Failure, Phase
from llm_studio.studio.serving.watch import Happened, Watch


class Prepare(Protocol):
    """Checks a profile and plans it for the memory that is free, and that the present engine
    gives back when it ends (None: nobody knows how much, so all counts as free)."""

    async def __call__(self, id_: str, *, returns: Memory | None) -> Prepared: ...


class Busy(StudioError):
    """Another switch is under way."""

    exit_code = 3

    def __init__(self, target: str, job: Job) -> None:
        under_way = f"A switch to {target!r}" if target else "A stop"
        super().__init__(
            f"{under_way} is under way",
            hint=f"Wait for it, or cancel it:  llm-studio jobs cancel {job.id}",
        )
        self.target = target
        self.job = job


class Supervisor:
    """Of one engine at a time."""

    def __init__(self, attendant: Attendant, prepare: Prepare) -> None:
        self._attendant = attendant
        self._prepare = prepare
        self._desk = attendant.desk
        self._store = attendant.store
        self._jobs = attendant.jobs
        self._watch: asyncio.Task[None] | None = None
        self._operation: tuple[str, Job] | None = None
        self._last_good: str | None = None
        self._backoff = Backoff()
        self._turn = asyncio.Lock()
        """Held by whoever starts or ends an engine."""
        self._closing = False

    # What is

    @property
    def serving(self) -> Running | None:
        """The engine that runs now, ready or not."""
        now = self._attendant.now
        return now.running if now else None

    @property
    def held(self) -> Memory:
        """What the engine that runs now took, by GPU; the next plan counts on it."""
        now = self._attendant.now
        return (now.held or {}) if now else {}

    @property
    def allocated(self) -> list[DeviceSplit]:
        """What the engine that runs now allocated, by device, as its log tells."""
        now = self._attendant.now
        return now.follower.allocation.devices if now else []

    @property
    def operation(self) -> tuple[str, Job] | None:
        """The switch (or, without a name, the stop) that is under way."""
        return self._operation

    # Wishes

    def switch(self, id_: str, *, drain: bool = True) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already. Requests that run
        may end first, or are cut off."""
        if self._operation is not None:
            target, job = self._operation
            if target == id_:
                return job
            raise Busy(target, job)
        state = self._store.state
        if state.phase is Phase.READY and state.profile == id_:
            return None
        return self._begin(id_, "switch", f"Serve {id_}", lambda job: self._serve(id_, job, drain))

    def stop(self, *, drain: bool = True) -> Job | None:
        """Stop serving; a switch under way is cancelled first, and so is a stop that lets requests
        end where this one does not."""
        if self._operation is not None:
            target, job = self._operation
            if not target and drain:
                return job
            self._jobs.cancel(job.id)
        elif self.serving is None and self._store.state.phase is Phase.STOPPED:
            self._store.replace(desired=None, profile=None, failure=None, detail="")
            return None
        return self._begin("", "stop", "Stop serving", lambda job: self._end(job, drain))

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

    def _begin(
        self, target: str, kind: str, title: str, work: Callable[[Job], Awaitable[object]]
    ) -> Job:
        before = self._operation

        async def run(job: Job) -> object:
            try:
                if before is not None:
                    await self._jobs.ended(before[1])
                async with self._turn:
                    return await work(job)
            finally:
                if self._operation is not None and self._operation[1] is job:
                    self._operation = None

        job = self._jobs.start(kind, title, run)
        self._operation = (target, job)
        return job

    # A switch

    async def _serve(self, id_: str, job: Job, drain: bool = True) -> object:
        previous, old = self._last_good, self._attendant.now
        self._store.replace(desired=id_)
        try:
            prepared = await self._prepare(id_, returns=old.held if old else {})
        except (StudioError, asyncio.CancelledError) as error:
            if job.kind == "restart" and isinstance(error, StudioError):
                failure = await self._fail(id_, error)  # nobody waits for it now
                if isinstance(error, Away):
                    self._store.replace(detail="starts again once it can")
                    self._follow_up(self._restart_once_ready(id_), "restart")
                raise Failed(failure) from error
            self._store.replace(desired=self._store.state.profile)
            if isinstance(error, StudioError):
                self._say(f"{id_} cannot be served: {error.sentence}", "error")
            raise
        try:
            await self._desk.shut(id_)
            if old is not None:
                await self._stop_engine(job, drain=drain)
                prepared = await self._prepare(id_, returns={})
            return await self._start(prepared, job)
        except asyncio.CancelledError:
            await _to_its_end(self._abandon(id_, old))
            raise
        except StudioError as error:
            failure = await self._fail(id_, error)
            gone = self._attendant.now is None
            if previous and previous != id_ and gone and job.kind == "switch":
                await self._go_back(previous, job, failure)
            raise Failed(failure) from error

    async def _start(self, prepared: Prepared, job: Job) -> dict[str, object]:
        now = await self._attendant.start(prepared, job)
        await self._open(now)
        return {"profile": now.running.profile, "instance": now.running.instance}

    async def _open(self, now: Current) -> None:
        """Requests may come, and it is watched."""
        self._last_good = id_ = now.running.profile
        self._store.replace(
            phase=Phase.READY, profile=id_, desired=id_, progress=None, failure=None,
            detail=now.note,
        )  # fmt: skip
        await self._desk.open(now.target)
        self._follow_up(self._watch_over(now), "watch")

    async def _abandon(self, id_: str, old: Current | None) -> None:
        """A switch, or without a name a stop, was cancelled: what it has not touched yet goes on,
        and what it started or began to end ends."""
        if self._closing:
            return  # the next studio finds what runs
        told = f"the switch to {id_} was cancelled" if id_ else "the stop was cancelled"
        self._say(told)
        if old is not None and self._attendant.now is old and not old.stopping:
            await self._open(old)
            return
        try:
            await self._stop_engine(None, drain=False)
        except StudioError as error:
            await self._fail(id_ or self._store.state.profile or "", error)
            return
        await self._desk.shut(None)
        self._store.replace(
            phase=Phase.STOPPED, profile=None, desired=None, engine=None, progress=None,
            detail=told if id_ else "",
        )  # fmt: skip

    async def _go_back(self, previous: str, job: Job, failure: Failure) -> None:
        """The last good profile is served again; the failure stays to be read."""
        self._say(f"going back to {previous}")
        try:
            await self._desk.shut(previous)
            await self._start(await self._prepare(previous, returns={}), job)
        except StudioError as error:
            self._last_good = None
            await self._fail(previous, error)
        else:
            self._store.replace(failure=failure, detail=f"went back to {previous}")

    # An end

    async def _end(self, job: Job, drain: bool) -> object:
        now = self._attendant.now
        self._store.replace(desired=None)
        await self._desk.shut(None)
        try:
            await self._stop_engine(job, drain=drain)
        except asyncio.CancelledError:
            await _to_its_end(self._abandon("", now))
            raise
        except StudioError as error:
            raise Failed(await self._fail(self._store.state.profile or "", error)) from error
        self._last_good = None
        self._store.replace(
            phase=Phase.STOPPED, profile=None, engine=None, progress=None, failure=None, detail=""
        )
        return {"profile": None}

    async def _stop_engine(self, job: Job | None, *, drain: bool = True) -> None:
        self._stop_watching()
        await self._attendant.stop(job, drain=drain)

    async def _fail(self, id_: str, error: StudioError) -> Failure:
        if isinstance(error, Failed):
            failure = error.failure
        else:
            failure = Failure(type(error).__name__, error.what, error.why, error.hint)
        engine, detail = None, ""
        try:
            await self._stop_engine(None, drain=False)
        except StudioError as left:  # it stays ours, and is ended with the next wish
            self._say(f"what is left of {id_} could not be ended: {left.sentence}", "error")
            engine, detail = self._store.state.engine, "it may run still, and could not be ended"
        await self._desk.shut(None)
        self._store.replace(
            phase=Phase.FAILED, profile=id_, engine=engine, progress=None, failure=failure,
            detail=detail,
        )  # fmt: skip
        self._say(f"{id_}: {failure.what}. {failure.why}", "error")
        return failure

    # While it serves

    async def _watch_over(self, now: Current) -> None:
        watch = Watch(
            now.running, now.engine, self._attendant.health, now.follower, self._desk, self._store,
            self._attendant.log, now.target,
        )  # fmt: skip
        happened = await watch.until(lambda: now.idle)
        async with self._turn:
            if self._attendant.now is not now:
                return
            if happened is Happened.ENDED:
                await self._crashed(now)
            else:
                await self._sleep(now)

    async def _sleep(self, now: Current) -> None:
        id_ = now.running.profile
        self._say(f"{id_} was idle for {now.idle} s and is unloaded")
        await self._desk.shut(None, asleep=id_)
        try:
            await self._stop_engine(None)
        except StudioError as error:
            await self._fail(id_, error)
            return
        self._store.replace(
            phase=Phase.ASLEEP, engine=None, progress=None, detail="wakes with the next request"
        )

    async def _crashed(self, now: Current) -> None:
        """Told first, then mended: started again, later each time, until it is hopeless."""
        id_ = now.running.profile
        await self._desk.shut(id_)
        await self._fail(id_, await now.failed())
        delay = self._backoff.after_crash()
        if delay is None:
            self._say(f"{id_} crashed {self._backoff.crashes} times: given up", "error")
            self._store.replace(detail="crashed again and again; not started any more")
            return
        self._store.replace(detail=f"starts again in {delay:.0f} s", desired=id_)
        await self._desk.shut(id_)
        self._follow_up(self._restart(id_, delay), "restart")

    async def _restart(self, id_: str, delay: float) -> None:
        await asyncio.sleep(delay)
        self._restart_now(id_)

    async def _restart_once_ready(self, id_: str) -> None:
        """What is away comes back some time, as Docker does after its own restart."""
        for delay in backoff.looks():
            await asyncio.sleep(delay)
            with contextlib.suppress(StudioError):
                await self._prepare(id_, returns=self.held)
                if self._restart_now(id_):
                    return

    def _restart_now(self, id_: str) -> bool:
        """Unless something else is wished for, or under way."""
        if self._operation is not None or self._store.state.desired != id_:
            return False
        self._begin(id_, "restart", f"Restart {id_}", lambda job: self._serve(id_, job))
        return True

    def _follow_up(self, work: Coroutine[object, object, None], name: str) -> None:
        """What goes on by itself, until something else is wished for."""
        self._stop_watching()
        self._watch = asyncio.create_task(work, name=name)
        self._watch.add_done_callback(self._tell_defect)

    def _stop_watching(self) -> None:
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        self._watch = None

    def _tell_defect(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"a defect of llm-studio: {type(error).__name__}: {error}", "error")

    # Taking over

    async def take_over(self, running: Running, engine: Engine) -> bool:
        """Go on with an engine that an earlier studio started, though it may not even listen yet;
        False if it has ended, or nothing could be asked of it."""
        keyless = not running.key and running.kind != "external"
        if keyless or not (await engine.vitals(running)).alive:
            return False
        health = await self._attendant.health.ask(running)
        if self._operation is not None or self.serving is not None:
            return False  # something else was wished for meanwhile
        now = self._attendant.attach(running, engine, adopted=True)
        self._say(f"adopted {running.profile} ({running.detail})")
        if health.ready:
            await self._open(now)
            now.idle = await self._idle_of(running.profile)
            return True
        self._store.replace(phase=Phase.LOADING, profile=running.profile, desired=running.profile)
        await self._desk.shut(running.profile)
        self._begin(
            running.profile,
            "switch",
            f"Serve {running.profile}",
            lambda job: self._wait_adopted(now, job),
        )
        return True

    async def _idle_of(self, id_: str) -> int | None:
        with contextlib.suppress(StudioError):
            return (await self._prepare(id_, returns=None)).idle_seconds
        return None

    async def _wait_adopted(self, now: Current, job: Job) -> object:
        id_ = now.running.profile
        try:
            await self._attendant.until_ready(now, job)
        except asyncio.CancelledError:
            await _to_its_end(self._abandon(id_, None))
            raise
        except StudioError as error:
            raise Failed(await self._fail(id_, error)) from error
        await self._open(now)
        now.idle = await self._idle_of(id_)
        return {"profile": id_, "instance": now.running.instance}

    async def close(self) -> None:
        """The studio ends; the engine serves on, to be adopted."""
        self._closing = True
        if self._watch is not None:
            self._watch.cancel()
        if self._attendant.now is not None:
            await self._attendant.now.follower.abandon()

    def _say(self, text: str, level: Level = "info") -> None:
        self._attendant.say(text, level)


async def _to_its_end(work: Coroutine[object, object, None]) -> None:
    """However often whoever waits for it is cancelled."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
