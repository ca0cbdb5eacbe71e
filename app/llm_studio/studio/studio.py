"""The studio: owns the engine, the desk, the log, the jobs; everything is asked of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from llm_studio import __version__
from llm_studio.engines.base import Engine
from llm_studio.errors import NotFound
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.probes.machine import this_machine
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.summary import summarise
from llm_studio.schema import EngineStatus, FailureStatus, ProfileSummary, Status, StudioStatus
from llm_studio.settings import Settings
from llm_studio.studio.desk import Desk, Refusal, RequestRecord
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.log import Log
from llm_studio.studio.prepare import Preparation
from llm_studio.studio.state import Store
from llm_studio.studio.supervisor import Supervisor

RECORDS = 2000


@dataclass(slots=True)
class Totals:
    """Sums over all requests since the studio started."""

    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0


class Studio:
    """Every use case is one method; no face of the studio does more than call them."""

    def __init__(self, settings: Settings, engines: Mapping[str, Engine]) -> None:
        self.settings = settings
        self.engines = engines
        self.started = time.time()
        self.log = Log(settings.paths.state / "logs")
        self.jobs = Jobs(settings.paths.state / "jobs.jsonl")
        self.store = Store()
        self.records: deque[RequestRecord] = deque(maxlen=RECORDS)
        self.totals = Totals()
        self.desk = Desk(profile_of=self.profile_named, want=self._want)
        self.supervisor = Supervisor(
            engines=engines,
            prepare=Preparation(settings, engines),
            desk=self.desk,
            store=self.store,
            log=self.log,
            jobs=self.jobs,
        )
        self.gateway = ""
        self.api = ""
        self._names: dict[str, str] = {}
        self._names_read = 0.0

    async def start(self) -> None:
        self.log.add(f"studio {__version__} started (pid {os.getpid()})")
        await self.supervisor.adopt()

    async def close(self) -> None:
        """End, and leave the engine serving for the next studio to adopt."""
        await self.supervisor.close()
        await self.jobs.close()
        for engine in self.engines.values():
            await engine.close()
        self.log.add("studio ended")
        self.log.close()

    # Profiles

    def profile_named(self, model: str) -> str | None:
        """The profile that a model's name in a request means: its id, or an alias."""
        if time.monotonic() - self._names_read > 2.0:
            names: dict[str, str] = {}
            for entry in Catalogue.load(self.settings.paths.profiles):
                if entry.profile and entry.profile.servable:
                    for alias in (entry.profile.server.alias or "").split(","):
                        if alias.strip():
                            names.setdefault(alias.strip(), entry.id)
            for entry in Catalogue.load(self.settings.paths.profiles):
                if entry.profile and entry.profile.servable:
                    names[entry.id] = entry.id
            self._names, self._names_read = names, time.monotonic()
        return self._names.get(model)

    async def profiles(self) -> list[ProfileSummary]:
        summaries = await asyncio.to_thread(self._summaries)
        state = self.store.state
        return [
            summary.model_copy(update={"state": state.phase.value})
            if summary.id == state.profile
            else summary
            for summary in summaries
        ]

    def _summaries(self) -> list[ProfileSummary]:
        machine = this_machine(self.settings.paths.state)
        with Headers(self.settings.paths.cache) as headers:
            library = Library.scan(self.settings.models, headers, caches=self.settings.caches)
            return [
                summarise(Plan(entry, machine, library))
                for entry in Catalogue.load(self.settings.paths.profiles)
            ]

    # Serving

    def require(self, id_: str) -> None:
        """Raises where there is no such profile. Reads the disk, so it is for a thread."""
        Catalogue.load(self.settings.paths.profiles).get(id_)

    def switch(self, id_: str) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already."""
        return self.supervisor.switch(id_)

    def stop(self) -> Job | None:
        return self.supervisor.stop()

    async def _want(self, id_: str) -> None:
        """A request names another profile than the one that is served."""
        asleep = self.store.state.profile == id_
        if not asleep and not self.settings.switch_on_request:
            raise Refusal(
                404,
                f"The model {id_!r} is not loaded",
                hint="Load it (`llm-studio up`), or set switch_on_request = true.",
            )
        await self.supervisor.wake(id_)

    def record(self, record: RequestRecord) -> None:
        self.records.append(record)
        self.totals.requests += 1
        self.totals.failed += record.outcome == "failed"
        self.totals.prompt_tokens += record.prompt_tokens or 0
        self.totals.cached_tokens += record.cached_tokens or 0
        self.totals.generated_tokens += record.generated_tokens or 0

    def job(self, id_: str) -> Job:
        return self.jobs.get(id_)

    def cancel(self, id_: str) -> Job:
        job = self.jobs.get(id_)
        if job.over:
            raise NotFound(f"The job {id_} is over already")
        return self.jobs.cancel(id_)

    # What is

    def status(self) -> Status:
        state, serving = self.store.state, self.supervisor.serving
        engine = state.engine
        failure = state.failure
        return Status(
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
            gateway=self.gateway,
            api=self.api,
            detail=state.detail,
            stage=state.progress.stage if state.progress else None,
            progress=state.progress.fraction if state.progress else None,
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
            version=state.version,
            running=self.desk.running,
            waiting=self.desk.waiting,
            studio=StudioStatus(pid=os.getpid(), version=__version__, since=self.started),
        )
