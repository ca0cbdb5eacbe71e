"""Benchmarks as jobs: one after the other, profile by profile; then what ran before runs again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from llm_studio.bench.asking import Asker
from llm_studio.bench.overview import Overview
from llm_studio.bench.record import Run, State
from llm_studio.bench.results import Results, new_id
from llm_studio.bench.stamp import stamp
from llm_studio.bench.suite import Bout, Suite, Told
from llm_studio.bench.under_way import UnderWay
from llm_studio.errors import NotReady, StudioError
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.changed import Values, changed, without_idle
from llm_studio.profiles.changed import told as worded
from llm_studio.profiles.measured import Measured
from llm_studio.studio.jobs import Job
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.serving.supervisor import Busy
from llm_studio.studio.studio import Studio

NONE: Values = {}


class Bench:
    """All benchmarks of one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.settings = studio.settings
        self._turn = asyncio.Lock()
        self._after: set[asyncio.Task[None]] = set()
        self.folder = studio.settings.paths.state / "bench"
        self.results = Results(self.folder / "results")
        self.overview = Overview(self.results)
        self.under_way: UnderWay | None = None
        """What is measured now: one at a time is."""
        self._job = ""

    async def start(self, suite: Suite, profiles: Sequence[str]) -> Job:
        """A job; without profiles, of the one that is served."""
        wanted = list(dict.fromkeys(profiles)) or [self._served() or ""]
        if not wanted[0]:
            raise NotReady("No profile is served", hint="Name the profiles to benchmark.")
        for id_ in wanted:
            (await asyncio.to_thread(self._entry, id_)).require()
        await suite.prepare()

        async def work(job: Job) -> dict[str, Any]:
            if self._turn.locked():
                self._tell(job, "waits for another benchmark", None)
            async with self.turn() as before:
                return await self._series(job, suite, wanted, before)

        return self._studio.jobs.start("bench", f"{suite.title} of {', '.join(wanted)}", work)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[str | None]:
        """The machine for one who measures; what was served before is served again afterwards."""
        async with self._turn:
            while self._after:  # an earlier one's model is still on its way back
                await asyncio.wait(self._after)
            before = self._served()
            try:
                yield before
            finally:
                self._bring_back(before)

    async def _series(
        self, job: Job, suite: Suite, profiles: Sequence[str], before: str | None
    ) -> dict[str, Any]:
        done: list[dict[str, Any]] = []
        failed: list[str] = []
        for number, id_ in enumerate(profiles):
            told = self.teller(job, number, len(profiles), f"{id_}: ")
            try:
                entry = await asyncio.to_thread(self._entry, id_)
                changes = of_quality(entry) if not suite.own_context else {}
                run = await self.measure(suite, entry, changes, told, self._keep)
                done.append({"id": run.id, "profile": id_, "state": run.state, "speed": run.speed})
            except StudioError as error:
                failed.append(f"{id_}: {error.sentence}")
        if not done:
            raise StudioError("Nothing could be measured", why="\n".join(failed))
        job.message = f"{len(done)} of {len(profiles)} measured"
        return {"runs": done, "failed": failed, "before": before}

    def teller(self, job: Job, number: int, count: int, label: str) -> Told:
        """Tells of one of several measurements, of which the job makes the next."""
        self._job = job.id

        def told(message: str, fraction: float | None) -> None:
            whole = None if fraction is None else (number + min(fraction, 1.0)) / count
            self._tell(job, f"{label}{message}" if count > 1 else message, whole)

        return told

    async def measure(
        self, suite: Suite, written: Entry, changes: Values, told: Told,
        keep: Callable[[Run, Entry], None],
    ) -> Run:  # fmt: skip
        """A profile as it is written, but for the changes. `keep` is called in a thread, also with
        what there is where it ends early."""
        id_ = written.id
        entry = changed(written, changes, "on trial")
        told("loading", None)
        await self._serve(id_, changes)
        begun = time.time()
        running = self._studio.berths.main.supervisor.serving
        async with Asker(self._studio.reception, id_) as asker:
            try:
                props = await asker.props()
            except StudioError:
                props = {}  # somebody else's server
        sample = self._studio.samples.sampler.look()
        stamped = await asyncio.to_thread(stamp, entry, running, props, sample)
        bout = Bout(self._studio, entry, told)
        self.under_way = UnderWay(self._job, suite.name, bout, begun)
        if changes:
            bout.notes.append(f"served with {worded(changes)}")
        beside = sorted(self._studio.berths.beside)
        if beside:
            bout.notes.append(f"served beside it: {', '.join(beside)}")
        state: State = "failed"
        try:
            await suite.run(bout)
            state = "done"
        except asyncio.CancelledError:
            state = "cancelled"
            raise
        except StudioError as error:
            bout.notes.append(f"ended early: {error.sentence}")
            if bout.empty:
                raise
        finally:
            self.under_way = None
            if not bout.empty:
                run = Run(
                    id=new_id(suite.name, id_, begun), suite=suite.name, profile=id_,
                    name=entry.require().name, state=state, started=begun, ended=time.time(),
                    stamp=stamped, settings=bout.settings, points=bout.points, tasks=bout.tasks,
                    scores=bout.scores, figures=bout.figures, notes=bout.notes,
                )  # fmt: skip
                await _to_its_end(asyncio.to_thread(keep, run, entry))
        if bout.empty:
            raise StudioError("Nothing could be measured", why=" ".join(bout.notes[:3]))
        return run

    def _keep(self, run: Run, entry: Entry) -> None:
        """Blocks."""
        self.results.add(run)
        state = self._studio.settings.paths.state
        measured = Measured.load(state)
        if run.speed and (not run.disturbed or measured.speed(entry) is None):
            measured.keep(state, entry.id, run.stamp.settings, run.speed)

    def _entry(self, id_: str) -> Entry:
        return Catalogue.load(self._studio.settings.paths.profiles).get(id_)

    def _tell(self, job: Job, message: str, fraction: float | None) -> None:
        job.message, job.fraction = message, fraction
        self._studio.jobs.touch(job)

    # What is served

    def _served(self) -> str | None:
        state = self._studio.store.state
        return None if state.phase in (Phase.STOPPED, Phase.FAILED) else state.profile

    async def _serve(self, id_: str, changes: Values = NONE) -> None:
        """The profile with these changes, so it is loaded anew unless it is served like that."""
        trials = self._studio.trials
        if trials.get(id_, NONE) != changes and self._served() == id_:
            for stop in self._studio.stop(id_):
                await self._studio.jobs.ended(stop)
        trials.pop(id_, None)
        if changes:
            trials[id_] = changes
        job: Job | None = None
        for _ in range(3):
            try:
                job = self._studio.switch(id_)
                break
            except Busy as busy:
                await self._studio.jobs.ended(busy.job)
        else:
            raise NotReady("Other switches come between all the time")
        if job is not None and (await self._studio.jobs.ended(job)).state != "done":
            raise StudioError(job.error or f"{id_} was not loaded", hint=job.hint)

    async def vacate(self) -> None:
        """Whatever is measured next is loaded anew."""
        if (served := self._served()) is not None:
            for stop in self._studio.stop(served):
                await self._studio.jobs.ended(stop)

    def _bring_back(self, before: str | None) -> None:
        """By itself: a benchmark that is cancelled does not wait for it, nor leaves it out."""
        trials = self._studio.trials
        for id_ in set(trials) - {before}:
            del trials[id_]
        if self._studio.jobs.closing or (self._served() == before and not trials):
            return
        task = asyncio.create_task(self._serve_again(before), name="after a benchmark")
        self._after.add(task)
        task.add_done_callback(self._after.discard)

    async def _serve_again(self, before: str | None) -> None:
        operation = self._studio.berths.main.supervisor.operation
        if operation is not None and operation[0]:
            self._studio.jobs.cancel(operation[1].id)
            await self._studio.jobs.ended(operation[1])
        with contextlib.suppress(StudioError):
            if before is None:
                self._studio.stop()
            else:
                await self._serve(before)


def of_quality(entry: Entry) -> Values:
    """What the profile's [bench] changes about how it is served."""
    profile = entry.require()
    if profile.engine.kind == "external" or profile.bench.context is None:
        return NONE
    return without_idle(entry, {"server.context": profile.bench.context})


async def _to_its_end(work: Coroutine[object, object, None]) -> None:
    """What was measured is kept, whoever cancels meanwhile; the cancelling goes on afterwards."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
