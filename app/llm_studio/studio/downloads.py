"""Downloads as the studio's work: one job each, that goes on without its terminal."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.errors import NotFound, NotReady
from llm_studio.models.demo.file import FILE as DEMO
from llm_studio.models.hub.fetch import Fetch, Stopped, room_for
from llm_studio.models.hub.hub import Hub, reference_of
from llm_studio.models.hub.offers import RemoteFile, chosen, offers_in
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.schema import HubOffer, HubRepository
from llm_studio.settings import Settings
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.text import untrusted_line

TELL = 0.5
"""Seconds between two words about progress."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file to fetch, and where to."""

    repository: str
    file: RemoteFile
    target: Path


class Downloads:
    """The same download twice at a time is one job."""

    def __init__(self, settings: Settings, jobs: Jobs, hub: Hub | None = None) -> None:
        self._settings = settings
        self._jobs = jobs
        self._hub = hub or Hub()
        self._running: dict[str, Job] = {}

    async def offers(self, text: str) -> HubRepository:
        """What a repository has."""
        repository, _ = reference_of(text)
        files = await asyncio.to_thread(self._hub.files, repository)
        return HubRepository(
            repository=repository,
            offers=[
                HubOffer(
                    name=untrusted_line(offer.name), size=offer.size, files=len(offer.files),
                    projector=offer.projector, missing=offer.missing,
                )
                for offer in offers_in(files)
            ],
        )  # fmt: skip

    async def search(self, words: str) -> list[HubRepository]:
        found = await asyncio.to_thread(self._hub.search, words, 30)
        return [HubRepository(repository=name, downloads=count) for name, count in found]

    async def get(self, text: str) -> Job:
        """Fetch what a profile names, or a repository's model. What is here already is left."""
        pieces = await asyncio.to_thread(self._pieces, text)
        key = str(pieces[0].target)
        running = self._running.get(key)
        if running is not None and not running.over:
            return running
        title = f"Get {untrusted_line(text)}"
        job = self._jobs.start("download", title, lambda job: self._fetch(pieces, job))
        self._running[key] = job
        return job

    def _pieces(self, text: str) -> list[Piece]:
        if "/" not in text:
            return self._of_profile(text)
        repository, quantisation = reference_of(text)
        offer = chosen(offers_in(self._hub.files(repository)), quantisation, repository)
        name = repository.rpartition("/")[2]
        folder = self._settings.models[0] / name.removesuffix("-GGUF").removesuffix("-gguf")
        return [_piece(repository, file, folder) for file in offer.files]

    def _of_profile(self, id_: str) -> list[Piece]:
        entry = Catalogue.load(self._settings.paths.profiles).get(id_)
        section = entry.require().model
        if section.file == DEMO:
            raise NotReady(
                "The demo needs no download", hint=f"Serve it, and it is there: llm-studio up {id_}"
            )
        if not section.repo or not section.file:
            raise NotReady(
                f"{id_!r} does not say where its model comes from",
                hint="Set model.repo, or name a repository: llm-studio get OWNER/NAME:QUANT",
            )
        pieces = self._named(section.repo, section.file)
        if section.mmproj:
            pieces += self._named(section.repo, section.mmproj)
        if section.draft and section.draft_repo:
            pieces += self._named(section.draft_repo, section.draft)
        return pieces

    def _named(self, repository: str, file: str) -> list[Piece]:
        """The file, with all its shards, in the folder that the profile names."""
        target = self._settings.models[0] / file
        for offer in offers_in(self._hub.files(repository)):
            if any(Path(each.path).name == target.name for each in offer.files):
                return [_piece(repository, each, target.parent) for each in offer.files]
        raise NotFound(
            f"{repository} has no file {target.name}",
            hint=f"`llm-studio get {repository}:?` lists what it has.",
        )

    async def _fetch(self, pieces: list[Piece], job: Job) -> object:
        loop = asyncio.get_running_loop()
        progress = _Progress(sum(piece.file.size for piece in pieces))

        def tell() -> None:
            job.message, job.fraction = progress.sentence, progress.fraction
            self._jobs.touch(job)

        def work(interrupt: Interrupt) -> None:
            missing = [piece for piece in pieces if not piece.target.is_file()]
            if missing:
                room_for(missing[0].target.parent, sum(each.file.size for each in missing))
            token = self._hub.token

            def came(count: int) -> None:
                if progress.came(count):
                    loop.call_soon_threadsafe(tell)

            for piece in pieces:
                Fetch(
                    self._hub.address(piece.repository, piece.file.path), piece.file, piece.target,
                    token=token, repository=piece.repository, came=came,
                    stopped=lambda: interrupt.set,
                ).run()  # fmt: skip

        try:
            await in_thread("download", work)
        except Stopped:
            raise asyncio.CancelledError from None
        return {"files": [str(piece.target) for piece in pieces], "size": progress.total}


def _piece(repository: str, file: RemoteFile, folder: Path) -> Piece:
    return Piece(repository, file, folder / Path(file.path).name)


class _Progress:
    """Bytes, and how fast they came lately."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._done = 0
        self._told = 0.0
        self._marks: list[tuple[float, int]] = []

    def came(self, count: int) -> bool:
        """Whether there is something worth telling."""
        self._done += count
        now = time.monotonic()
        if now - self._told < TELL and self._done < self.total:
            return False
        self._told = now
        self._marks = [*self._marks[-20:], (now, self._done)]
        return True

    @property
    def fraction(self) -> float:
        return min(self._done / self.total, 1.0) if self.total else 1.0

    @property
    def sentence(self) -> str:
        told = f"{self._done / 1e9:.2f} of {self.total / 1e9:.2f} GB"
        (begin, before), (end, after) = self._marks[0], self._marks[-1]
        if end - begin < 1 or after <= before:
            return told
        speed = (after - before) / (end - begin)
        left = (self.total - self._done) / speed
        span = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
        return f"{told}, {speed / 1e6:.0f} MB/s, {span} left"
