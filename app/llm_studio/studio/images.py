"""Images as the studio's work: what is long is a job, and what a machine needs is looked up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.engines.images.pull import Told, pull
from llm_studio.engines.images.reference import Reference, short
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.images.stock import Stock, engine_image
from llm_studio.errors import NotReady
from llm_studio.probes.accelerators import accelerators
from llm_studio.schema import ImageListing
from llm_studio.settings import Settings
from llm_studio.studio.image_choice import Choice, choose
from llm_studio.studio.jobs import Job, Jobs

SILENCE = 30.0
"""Seconds without news after which the silence is news itself."""


def listing(settings: Settings, stock: Stock, shelf: Shelf) -> ImageListing:
    """All images, what runs next, and what fits this machine. Blocks."""
    choice, pinned = choose(accelerators()), engine_image(settings, shelf)
    if settings.image:
        why = f"the setting `image` ({settings.values['image'].origin})"
    else:
        why = "in use" if shelf.read().in_use else "none was chosen yet"
    return ImageListing(
        images=stock.images(),
        engine=pinned.name,
        engine_why=why,
        recommended=choice.reference or None,
        recommended_why=choice.why,
    )


class Images:
    """Jobs on images. The same one twice at a time is one job."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._connection = Connection(os.environ)
        self._running: dict[str, Job] = {}
        self.shelf = Shelf(settings.paths.state)
        self.stock = Stock(settings, self.shelf, self._connection)

    async def listing(self) -> ImageListing:
        return await asyncio.to_thread(listing, self._settings, self.stock, self.shelf)

    async def pull(self, text: str) -> Job:
        """Get an image from its registry; without a name, the one that fits this machine."""
        wanted = Reference.parse(text or await asyncio.to_thread(_recommended))

        async def work(job: Job) -> dict[str, Any]:
            tell = _Teller(self._jobs, job)
            pulled = await tell.while_waiting(
                in_thread("image-pull", _pulling(self._connection, wanted, tell))
            )
            first = self.shelf.add(pulled.id, pulled.name, "pulled")
            state = "in use" if first else "here"
            job.message = f"{wanted} is here ({short(pulled.id)})"
            return {"id": pulled.id, "name": pulled.name, "digest": pulled.digest,
                    "fetched": pulled.fetched, "state": state}  # fmt: skip

        return self._once("image-pull", f"Pull {wanted}", work)

    def _once(self, kind: str, title: str, work: Callable[[Job], Coroutine[Any, Any, Any]]) -> Job:
        running = self._running.get(title)
        if running is None or running.over:
            running = self._running[title] = self._jobs.start(kind, title, work)
        return running

    async def close(self) -> None:
        await asyncio.to_thread(self._connection.close)


def _recommended() -> str:
    choice: Choice = choose(accelerators())
    if not choice.reference:
        raise NotReady(
            "No official image fits this machine", why=choice.why,
            hint="Build one:  llm-studio image build",
        )  # fmt: skip
    return choice.reference


def _pulling(connection: Connection, wanted: Reference, tell: Told) -> Callable[[Interrupt], Any]:
    return lambda interrupt: pull(connection, wanted, tell, interrupt)


class _Teller:
    """Brings progress from a thread to a job, and says so when none comes."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs = jobs
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._last = time.monotonic()

    def __call__(self, message: str, fraction: float | None) -> None:
        self._loop.call_soon_threadsafe(self._tell, message, fraction)

    def _tell(self, message: str, fraction: float | None) -> None:
        self._last = time.monotonic()
        self._job.message, self._job.fraction = message, fraction
        self._jobs.touch(self._job)

    async def while_waiting(self, work: Coroutine[Any, Any, Any]) -> Any:
        watch = asyncio.create_task(self._watch())
        try:
            return await work
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SILENCE / 6)
            silent = time.monotonic() - self._last
            if silent >= SILENCE:
                message = self._job.message.partition(" — ")[0]
                self._job.message = f"{message} — no news for {silent:.0f} s"
                self._jobs.touch(self._job)
