"""The UI's only tie to the studio: follows its events, and keeps one `View` that panes read.

A link that breaks says so and since when, and comes back by itself. A studio that died is
started again, for its model may still serve; one that somebody ended is not, until asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llm_studio.client import Unreachable, start_studio
from llm_studio.errors import StudioError
from llm_studio.tui.view import Job, ModelFile, Profile, Status, View
from llm_studio.tui.wire import Event, Wire

PATIENCE = (0.1, 0.3, 1.0, 3.0)
"""Seconds between attempts; the last one holds on."""


class Link:
    """Calls `changed` with every new view, `ended` with every job that came to its end, and
    `alert` with what somebody should know and how grave it is."""

    def __init__(
        self,
        wire: Wire,
        *,
        changed: Callable[[View], None],
        ended: Callable[[Job], None],
        alert: Callable[[str, str], None],
        start: Callable[[], None] = start_studio,
    ) -> None:
        self.wire = wire
        self.view = View(since=time.time())
        self._changed = changed
        self._ended = ended
        self._alert = alert
        self._start = start
        self._may_start = True
        self._stale = asyncio.Event()
        self._again = asyncio.Event()
        self._mark = ""
        self._over: deque[str] = deque(maxlen=100)
        """Jobs whose end was told."""

    def refresh(self) -> None:
        """Read the profiles again, soon; many wishes at once are one."""
        self._stale.set()

    def begun(self, job: Job) -> None:
        """Show a job that was begun here, unless its end was quicker than the answer."""
        if job.id not in self._over and all(each.id != job.id for each in self.view.jobs):
            self._replace(jobs=(*self.view.jobs, job))

    def start_again(self) -> None:
        """Start a studio that somebody had ended."""
        self._may_start = True
        self._again.set()

    async def run(self) -> None:
        """Follow for ever."""
        reading = asyncio.create_task(self._keep_profiles_fresh())
        attempt = 0
        try:
            while True:
                attempt = 0 if await self._follow() else attempt + 1
                pause = PATIENCE[min(attempt, len(PATIENCE) - 1)]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._again.wait()
                self._again.clear()
        finally:
            reading.cancel()

    async def _follow(self) -> bool:
        """One connection, from its begin to its end; whether it came about."""
        lived = False
        try:
            async for event in self.wire.events(self._mark):
                if not lived:
                    lived = True
                    await self._begin()
                self._take(event)
            self._lose("The studio ended" if lived else "The studio does not answer")
        except Unreachable as error:
            return await self._without_studio(died=error.died)
        except TimeoutError:
            self._lose("The studio does not answer")
        except (StudioError, OSError, ValueError) as error:
            self._lose(str(error))
        except (KeyError, TypeError):  # it tells other things than this program knows of
            self._lose("The studio is of another version; `llm-studio shutdown` ends it")
        return lived

    async def _begin(self) -> None:
        """What the events do not begin with: the jobs under way, the profiles."""
        self._may_start = False
        self.refresh()
        jobs = await self.wire.ask("GET", "/jobs")
        running = tuple(Job.of(job) for job in jobs if job["state"] == "running")
        self._replace(link="live", since=time.time(), trouble="", jobs=running)

    async def _without_studio(self, *, died: bool) -> bool:
        """Start one, unless somebody ended it; whether it runs now."""
        if not died and not self._may_start:
            if self.view.link != "ended":  # why none could be started stays to be read
                self._lose("No studio runs", "ended")
            return False
        self._may_start = False
        self._lose("The studio died; starting another" if died else "Starting the studio")
        try:
            await asyncio.to_thread(self._start)
        except StudioError as error:
            # Another terminal may have started it in the same moment; the next attempt tells.
            self._lose(error.sentence, "ended")
            return False
        return True

    def _lose(self, trouble: str, link: Any = None) -> None:
        if link is None:
            link = "stale" if self.view.status else "connecting"
        since = self.view.since if self.view.link in ("stale", "ended") else time.time()
        if (link, trouble) != (self.view.link, self.view.trouble):
            self._replace(link=link, since=since, trouble=trouble)

    def _take(self, event: Event) -> None:
        self._mark = event.mark
        if event.name == "status":
            status, before = Status.of(event.data), self.view.status
            self._replace(status=status)
            told = (status.state, status.profile)
            if before is not None and (before.state, before.profile) != told:
                self.refresh()  # the first one comes with all that is read at the begin
        elif event.name == "job":
            self._take_job(Job.of(event.data))
        elif event.name == "sample":
            self._replace(sample=event.data)
        elif event.name in ("mark", "alert"):
            self._replace(mark=event.data)
            if event.name == "alert" and not event.data["over"]:
                self._alert(event.data["text"], event.data["level"])

    def _take_job(self, job: Job) -> None:
        others = tuple(each for each in self.view.jobs if each.id != job.id)
        if job.state == "running":
            self._replace(jobs=(*others, job))
        elif job.id not in self._over:
            self._over.append(job.id)
            self._replace(jobs=others)
            self._ended(job)

    async def _keep_profiles_fresh(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            # A link that broke meanwhile reads them anew when it is back.
            with contextlib.suppress(StudioError, OSError, ValueError, KeyError, TypeError):
                await self.read_profiles()

    async def read_profiles(self) -> None:
        """Read profiles and model files now."""
        models = (await self.wire.ask("GET", "/models"))["models"]
        self._replace(profiles=tuple(map(Profile.of, models)))
        files = tuple(map(ModelFile.of, await self.wire.ask("GET", "/files")))
        if files != self.view.files:
            self._replace(files=files)

    def _replace(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self._changed(self.view)
