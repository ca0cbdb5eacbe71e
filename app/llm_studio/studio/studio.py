"""The studio: owns the engine, the desk, the log, the jobs; everything is asked of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping

from llm_studio import __version__
from llm_studio.engines.base import Engine
from llm_studio.engines.health import HealthProbe
from llm_studio.errors import NotFound, StudioError
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.changed import Values
from llm_studio.profiles.profile import Profile
from llm_studio.schema import (
    EngineStatus,
    FailureStatus,
    ProfileSummary,
    ServingStatus,
    Status,
    StudioStatus,
)
from llm_studio.settings import Settings
from llm_studio.studio.conversations.archive import Archive
from llm_studio.studio.conversations.chats import Chats
from llm_studio.studio.downloads import Downloads
from llm_studio.studio.images import Images
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.log import Log
from llm_studio.studio.requests import Requests
from llm_studio.studio.samples.changes import Changes
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.samples import Samples, engine_memory
from llm_studio.studio.serving.attendant import Attendant, Memory, Prepared
from llm_studio.studio.serving.berths import Berth, Berths
from llm_studio.studio.serving.desk import Desk, Refusal
from llm_studio.studio.serving.names import Names
from llm_studio.studio.serving.prepare import Preparation, free_memory, measured_load
from llm_studio.studio.serving.reception import Reception
from llm_studio.studio.serving.state import Phase, Store
from llm_studio.studio.serving.supervisor import Busy, Supervisor
from llm_studio.studio.shelf import Shelf


class Studio:
    """Every use case is one method; no face of the studio does more than call them."""

    def __init__(
        self,
        settings: Settings,
        engines: Mapping[str, Engine],
        health: HealthProbe | None = None,
    ) -> None:
        self.settings = settings
        self.engines = engines
        self.started = time.time()
        self.trials: dict[str, Values] = {}
        """The values with which profiles are served for now, instead of those that are written."""
        self.log = Log(settings.paths.state / "logs")
        self.jobs = Jobs(settings.paths.state / "jobs.jsonl")
        self.store = Store()
        self.requests = Requests(settings.paths.state / "requests.jsonl")
        self.images = Images(settings, self.jobs)
        self.downloads = Downloads(settings, self.jobs)
        self.names = Names(settings.paths.profiles)
        self.marks = Marks(settings.paths.state / "marks.jsonl")
        self.health = health or HealthProbe()
        self.berths = Berths(
            self._berth(self.store, Desk(profile_of=self.names.profile_of, want=self._want)),
            self._berth_beside,
            settings.paths.state / "beside.json",
            self.log,
        )
        self.reception = Reception(self.berths.main.desk, self.berths.desks, self.names.profile_of)
        self.shelf = Shelf(settings, held=self._held)
        self.samples = Samples(settings, self.berths, engines, self.marks, self.log)
        self.store.listen(lambda _: self.samples.sampler.wake())
        self.chats = Chats(
            Archive(settings.paths.state / "conversations"),
            self.reception,
            remember=self.requests.add,
            serve=self._serve,
            profile=self._profile,
            last=self._last_profile,
            state=lambda: self.store.state.phase.value,
        )
        self.gateway = ""
        self.api = ""

    def _berth(self, store: Store, desk: Desk) -> Berth:
        state = self.settings.paths.state
        store.listen(Changes(self.marks).follow)
        attendant = Attendant(
            desk=desk,
            store=store,
            log=self.log,
            jobs=self.jobs,
            health=self.health,
            stall_limit=self.settings.stall_limit,
            free=lambda: free_memory(state),
            loaded=lambda launch, asked, gone: measured_load(state, launch, asked, gone),
        )
        preparation = Preparation(self.settings, self.engines, self.trials)

        async def prepare(id_: str, *, returns: Memory | None) -> Prepared:
            prepared = await preparation(id_, returns=returns)
            await self.berths.settle(prepared.engine.kind)
            return prepared

        return Berth(store, desk, Supervisor(attendant, prepare))

    def _berth_beside(self, id_: str) -> Berth:
        async def wake(_: str) -> None:
            await berth.supervisor.wake(id_)

        berth = self._berth(Store(), Desk(profile_of=lambda _: id_, want=wake))
        return berth

    async def start(self) -> None:
        self.log.add(f"studio {__version__} started (pid {os.getpid()})")
        await self.berths.adopt(self.engines)
        self.samples.start()

    async def close(self) -> None:
        """End, and leave the engine serving for the next studio to adopt."""
        await self.chats.close()
        await self.samples.close()
        await self.berths.close()
        await self.jobs.close()
        await self.images.close()
        await self.health.close()
        for engine in self.engines.values():
            await engine.close()
        self.log.add("studio ended")
        self.log.close()

    # Profiles

    async def profiles(self) -> list[ProfileSummary]:
        summaries = await asyncio.to_thread(self.shelf.summaries)
        states = {berth.store.state.profile: berth.store.state.phase for berth in self.berths}
        return [
            summary.model_copy(update={"state": states[summary.id].value})
            if summary.id in states
            else summary
            for summary in summaries
        ]

    # Serving

    def require(self, id_: str) -> None:
        """Raises where there is no such profile. Reads the disk, so it is for a thread."""
        Catalogue.load(self.settings.paths.profiles).get(id_)

    def switch(self, id_: str, *, beside: bool = False, drain: bool = True) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already. Requests that run
        may end first, or are cut off."""
        return self.berths.switch(id_, beside=beside, drain=drain)

    def stop(self, id_: str = "", *, drain: bool = True) -> list[Job]:
        """Stop serving one profile, or all."""
        return self.berths.stop(id_, drain=drain)

    async def _want(self, id_: str) -> None:
        """A request names another profile than the one that is served."""
        asleep = self.store.state.profile == id_
        if not asleep and not self.settings.switch_on_request:
            raise Refusal(
                404,
                f"The model {id_!r} is not loaded",
                hint="Load it (`llm-studio up`), or set switch_on_request = true.",
            )
        await self.berths.main.supervisor.wake(id_)

    async def _serve(self, id_: str) -> None:
        """Load a profile for a conversation that asks for it; returns once it is ready."""
        await asyncio.to_thread(self.require, id_)
        while True:
            try:
                job = self.switch(id_)
                break
            except Busy as busy:  # with a stop, say: its end is near, and nobody is there to wait
                await self.jobs.ended(busy.job)
        if job is not None and (await self.jobs.ended(job)).state != "done":
            raise StudioError(job.error or f"{id_} was not loaded", hint=job.hint)

    def _profile(self, id_: str) -> Profile | None:
        """A profile as it is written now; None where it is gone or broken."""
        entry = Catalogue.load(self.settings.paths.profiles).entries.get(id_)
        return entry.profile if entry else None

    def _last_profile(self) -> str:
        """What is served or wished for, or else was asked last."""
        state = self.store.state
        asked = self.requests.since(-1, 1)
        return state.profile or state.desired or (asked[-1][1].profile if asked else "")

    def job(self, id_: str) -> Job:
        return self.jobs.get(id_)

    def cancel(self, id_: str) -> Job:
        job = self.jobs.get(id_)
        if job.over:
            raise NotFound(f"The job {id_} is over already")
        return self.jobs.cancel(id_)

    # What is

    def _held(self, id_: str) -> Mapping[str, int]:
        """What the engine holds that serving a profile would end, by GPU: where it was not measured
        at its load (that goes on, or an earlier studio began it), what the driver says."""
        berth = self.berths.beside.get(id_, self.berths.main)
        measured = berth.supervisor.held
        sample = self.samples.sampler.latest
        if measured or sample is None or berth.supervisor.serving is None or self.berths.beside:
            return measured
        return engine_memory(sample)

    def status(self) -> Status:
        main = self.berths.main
        beside = (b for b in self.berths.beside.values() if b.store.state.phase != Phase.STOPPED)
        return Status(
            **{**serving_status(main).model_dump(), "held": dict(self._held(""))},
            gateway=self.gateway,
            api=self.api,
            version=main.store.state.version,
            beside=[serving_status(berth) for berth in beside],
            studio=StudioStatus(pid=os.getpid(), version=__version__, since=self.started),
        )


def serving_status(berth: Berth) -> ServingStatus:
    """One berth, for people and programs."""
    state, serving = berth.store.state, berth.supervisor.serving
    engine, failure, progress = state.engine, state.failure, state.progress
    return ServingStatus(
        state=state.phase.value,
        profile=state.profile,
        desired=state.desired,
        engine=EngineStatus(
            kind=engine.kind,
            instance=engine.instance,
            detail=engine.detail,
            address=serving.address if serving else None,
            since=engine.since,
            adopted=engine.adopted,
            command=list(serving.command) if serving else [],
        )
        if engine
        else None,
        detail=state.detail,
        stage=progress.stage if progress else None,
        progress=progress.fraction if progress else None,
        failure=FailureStatus(
            cause=failure.cause,
            what=failure.what,
            why=failure.why,
            hint=failure.hint,
            exit_code=failure.exit_code,
            out_of_memory=failure.out_of_memory,
            last_lines=list(failure.last_lines),
        )
        if failure
        else None,
        since=state.since,
        running=berth.desk.running,
        waiting=berth.desk.waiting,
        held=dict(berth.supervisor.held),
    )
