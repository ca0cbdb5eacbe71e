"""Images as the studio's work: what is long is a job, and what a machine needs is looked up."""

from __future__ import annotations

import asyncio
import datetime
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_studio.engines.arguments import Files, server_arguments
from llm_studio.engines.docker import DockerEngine
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images.acceptance import Subject, accept
from llm_studio.engines.images.build import Recipe, build, name_of
from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.engines.images.pull import Told, pull
from llm_studio.engines.images.reference import Reference, short
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.images.stock import Stock, engine_image
from llm_studio.engines.registry import home_label
from llm_studio.errors import NotFound, NotReady
from llm_studio.models.memory import Device
from llm_studio.probes.accelerators import accelerators
from llm_studio.probes.machine import this_machine
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.server import spelled
from llm_studio.schema import ImageListing, ImagesRemoved
from llm_studio.settings import Settings
from llm_studio.studio.image_choice import Choice, choose
from llm_studio.studio.jobs import Job, Jobs

LOGS_KEPT = 10
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


def prune(settings: Settings, stock: Stock) -> ImagesRemoved:
    """Remove images that are not needed; those that profiles name are. Blocks."""
    profiles = (entry.profile for entry in Catalogue.load(settings.paths.profiles))
    return stock.prune([each.engine.image for each in profiles if each and each.engine.image])


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

    async def prune(self) -> ImagesRemoved:
        return await asyncio.to_thread(prune, self._settings, self.stock)

    async def pull(self, text: str) -> Job:
        """Get an image from its registry; without a name, the one that fits this machine."""
        wanted = Reference.parse(text or await asyncio.to_thread(_recommended))

        async def work(job: Job) -> dict[str, Any]:
            tell = _Teller(self._jobs, job)
            pulled = await tell.while_waiting(
                in_thread("image-pull", _pulling(self._connection, wanted, tell))
            )
            added = await asyncio.to_thread(self.stock.add, pulled.id, pulled.name, "pulled")
            job.message = f"{wanted} is here ({short(pulled.id)})"
            return {"id": pulled.id, "name": pulled.name, "digest": pulled.digest,
                    "fetched": pulled.fetched, "state": added.state}  # fmt: skip

        return self._once("image-pull", f"Pull {wanted}", work)

    async def build(self, variant: str, arguments: Mapping[str, str], name: str) -> Job:
        """Make an image from a Dockerfile of ours; without a variant, the one that fits here."""
        recipe = await asyncio.to_thread(_recipe, variant, arguments, name)
        folder = self._settings.paths.state / "builds"

        async def work(job: Job) -> dict[str, Any]:
            tell, log = _Teller(self._jobs, job), folder / f"{job.id}.log"
            await asyncio.to_thread(_forget_old, folder)
            built = await tell.while_waiting(
                in_thread("image-build", _building(self._connection, recipe, log, tell))
            )
            job.message = f"{built.name} is here ({short(built.id)})"
            state = "sandbox"
            if recipe.variant != "sandbox":  # which is no engine
                added = await asyncio.to_thread(self.stock.add, built.id, built.name, "built")
                state = added.state
            return {"id": built.id, "name": built.name, "log": str(log), "state": state}

        return self._once("image-build", f"Build {recipe.name}", work)

    async def check(self, text: str) -> Job:
        """Test an image; without a name, the one that the next engine would run."""
        if not text:
            text = (await asyncio.to_thread(engine_image, self._settings, self.shelf)).reference
        found = await asyncio.to_thread(self.stock.find, text)

        async def work(job: Job) -> dict[str, Any]:
            label = f"{home_label(self._settings)}-check"
            engine = DockerEngine(label, found.id)
            try:
                for left in await engine.running():  # of a studio that died
                    await engine.stop(left, 0)
                    await engine.forget(left)
                needed, devices = await asyncio.to_thread(_needs, self._settings)
                folder = self._settings.paths.state / "image-check"
                in_use = await asyncio.to_thread(self._in_use)
                other = Subject(in_use, folder, devices) if in_use not in ("", found.id) else None
                check = await accept(
                    engine, Subject(found.id, folder, devices), needed,
                    _Teller(self._jobs, job), other,
                )  # fmt: skip
            finally:
                await engine.close()
            await asyncio.to_thread(self.shelf.checked, found.id, found.name, check)
            failed = ", ".join(each.step for each in check.findings if not each.passed)
            job.message = f"{found.name} failed: {failed}" if failed else f"{found.name} passed"
            return {"id": found.id, "name": found.name, "check": check.model_dump()}

        return self._once("image-check", f"Test {found.name}", work)

    def _in_use(self) -> str:
        """The id of what engines run now, if it is here."""
        try:
            return self.stock.find(engine_image(self._settings, self.shelf).reference).id
        except NotFound:
            return ""

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


def _recipe(variant: str, arguments: Mapping[str, str], name: str) -> Recipe:
    told = dict(arguments)
    if not variant:
        choice = choose(accelerators())
        variant, told = choice.variant, {**choice.arguments, **told}
    recipe = Recipe(variant, name or name_of(variant), told).checked()
    Reference.parse(recipe.name)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return replace(recipe, arguments={"CREATED": now, **told})


def _forget_old(folder: Path) -> None:
    """Logs of builds are of use for a while."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in logs[:-LOGS_KEPT]:
        path.unlink(missing_ok=True)


def _needs(settings: Settings) -> tuple[dict[str, list[str]], tuple[Device, ...]]:
    """The flags that profiles ask for, each with who does; and the GPUs to test on."""
    needed: dict[str, list[str]] = {}
    for entry in Catalogue.load(settings.paths.profiles):
        if entry.profile and entry.profile.servable:
            for argument in server_arguments(entry, Files(Path("model.gguf")), {}):
                flag = spelled(argument.words[0].split("=", 1)[0])
                if flag.startswith("-"):
                    needed.setdefault(flag, []).append(entry.id)
    return needed, this_machine(settings.paths.state).devices


def _building(
    connection: Connection, recipe: Recipe, log: Path, tell: Told
) -> Callable[[Interrupt], Any]:
    return lambda interrupt: build(connection, recipe, log, tell, interrupt)


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
