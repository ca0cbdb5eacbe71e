"""Jobs: everything that takes long. Each has progress, can be cancelled, and leaves a result.

A journal on disk holds every job's end, and its begin: one that was running when the studio died
is found there without an end, and marked so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from llm_studio.errors import NotFound, StudioError
from llm_studio.journal import append, restored
from llm_studio.studio.waiters import Waiters
from llm_studio.text import untrusted_line

JobState = Literal["running", "done", "failed", "cancelled", "interrupted"]
KEPT = 500


@dataclass(slots=True)
class Job:
    """One piece of work, as it is now."""

    kind: str
    title: str
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    state: JobState = "running"
    started: float = field(default_factory=time.time)
    ended: float | None = None
    fraction: float | None = None
    message: str = ""
    result: Any = None
    error: str = ""
    hint: str = ""
    version: int = 0

    @property
    def over(self) -> bool:
        return self.state != "running"


Work = Callable[[Job], Awaitable[Any]]


class Jobs:
    """All jobs of this studio, the newest last."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiters = Waiters()
        self.version = 0
        self.closing = False
        """Whether the studio ends, and nothing new is to begin."""
        self._recall()

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def get(self, id_: str) -> Job:
        try:
            return self._jobs[id_]
        except KeyError:
            raise NotFound(f"There is no job {untrusted_line(id_)!r}") from None

    def start(self, kind: str, title: str, work: Work) -> Job:
        """Begin; the job runs on whoever watches it."""
        job = Job(kind, title)
        self._jobs[job.id] = job
        self._write(job)
        self._tasks[job.id] = asyncio.create_task(self._run(job, work), name=f"job {job.id}")
        return job

    async def _run(self, job: Job, work: Work) -> None:
        try:
            job.result = await work(job)
            job.state, job.fraction = "done", 1.0
        except asyncio.CancelledError:
            job.state, job.message = "cancelled", "cancelled"
        except StudioError as error:
            job.state = "failed"
            job.error = " ".join(filter(None, (f"{error.what}.", error.why)))
            job.hint = error.hint
        except Exception as error:  # a defect must not vanish with its task
            job.state, job.error = "failed", f"{type(error).__name__}: {error}"
        finally:
            job.ended = time.time()
            self._tasks.pop(job.id, None)
            self._write(job)
            self.touch(job)

    def touch(self, job: Job) -> None:
        """Tell those who follow that the job has news."""
        self.version += 1
        job.version = self.version
        self._waiters.wake()

    def cancel(self, id_: str) -> Job:
        job = self.get(id_)
        task = self._tasks.get(id_)
        if task is not None:
            task.cancel()
        return job

    async def ended(self, job: Job) -> Job:
        """The job, once it is over."""
        task = self._tasks.get(job.id)
        if task is not None:
            await asyncio.wait([task])
        return job

    async def changed(self, version: int, limit: float) -> None:
        if self.version <= version:
            await self._waiters.wait(limit)

    async def close(self) -> None:
        """The studio ends: what still runs is left to be found as interrupted."""
        self.closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _write(self, job: Job) -> None:
        with contextlib.suppress(OSError, TypeError, ValueError):
            append(self._journal, json.dumps(asdict(job)) + "\n")

    def _recall(self) -> None:
        try:
            lines = self._journal.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines[-4 * KEPT :]:
            job = restored(Job, line)
            if job is not None:
                job.version = 0  # counts the news of this studio's time alone
                self._jobs[job.id] = job
        for job in self._jobs.values():
            if not job.over:
                job.state, job.message = "interrupted", "the studio ended while it ran"
                job.ended = job.ended or time.time()
        self._jobs = dict(list(self._jobs.items())[-KEPT:])
        if len(lines) > 8 * KEPT:
            with contextlib.suppress(OSError, StudioError):
                from llm_studio.storage import write_atomically

                kept = "".join(json.dumps(asdict(job)) + "\n" for job in self._jobs.values())
                write_atomically(self._journal, kept, mode=0o600)
