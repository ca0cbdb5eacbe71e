"""The images on this machine: listed, taken into use, rolled back, removed."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.container import Pinned
from llm_studio.engines.docker.seam import ImageMissing
from llm_studio.engines.images.reference import OFFICIAL, OURS, short
from llm_studio.engines.images.shelf import Content, Origin, Shelf
from llm_studio.errors import NotFound, NotReady
from llm_studio.schema import ImageKept, ImagesRemoved, ImageStatus
from llm_studio.settings import Settings
from llm_studio.text import untrusted_line

DEFAULT = f"{OURS}:cpu"
"""What an engine runs where nothing was chosen: the image that `image build` makes."""
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][\w.:/@-]{0,400}", re.ASCII)


def engine_image(settings: Settings, shelf: Shelf) -> Pinned:
    """The image that engines start with, unless their profile names one."""
    if settings.image:
        return Pinned(settings.image, settings.image)
    content = shelf.read()
    if content.in_use:
        kept = content.images.get(content.in_use)
        return Pinned(content.in_use, kept.name if kept else short(content.in_use))
    return Pinned(DEFAULT, DEFAULT)


class Stock:
    """All calls block; they are for threads, or for commands."""

    def __init__(self, settings: Settings, shelf: Shelf, connection: Connection) -> None:
        self._settings = settings
        self._shelf = shelf
        self._connection = connection

    def images(self) -> list[ImageStatus]:
        """Those of llama.cpp, and those that were remembered though Docker has them no more."""
        content = self._shelf.read()
        found = {str(each["Id"]): each for each in self._connection.do(_listed)}
        ours = [
            self._status(id_, each, content)
            for id_, each in found.items()
            if id_ in content.images or any(map(_of_llama_cpp, _names(each)))
        ]
        gone = [
            self._status(id_, {}, content)
            for id_ in (content.in_use, content.before)
            if id_ is not None and id_ not in found
        ]
        order = {"in use": 0, "before": 1}
        newest = sorted([*ours, *gone], key=lambda image: image.created, reverse=True)
        return sorted(newest, key=lambda image: order.get(image.state, 2))

    def find(self, text: str) -> ImageStatus:
        """The image of a name, a tag of ours, or the beginning of an id."""
        names = [text] if _NAME.fullmatch(text) else []
        if _TAG.fullmatch(text):
            names += [f"{OURS}:{text}", f"{OFFICIAL}:{text}"]
        for name in names:
            with contextlib.suppress(ImageMissing):
                inspect = _inspecting(name)
                inspected = self._connection.do(inspect, image=name)
                return self._status(str(inspected["Id"]), inspected, self._shelf.read())
        raise NotFound(
            f"There is no image {untrusted_line(text)} on this machine",
            hint="`llm-studio image list` shows them; `llm-studio image pull` gets others.",
        )

    def use(self, text: str) -> ImageStatus:
        """From the next start on, engines run this one."""
        found, unchosen = self.find(text), None
        if self._shelf.read().in_use is None:
            with contextlib.suppress(NotFound):
                unchosen = self.find(DEFAULT).id
        self._shelf.use(found.id, found.name, unchosen)
        return self.find(found.id)

    def add(self, id_: str, name: str, origin: Origin) -> ImageStatus:
        """Remember an image that came here. Where there is none to run, it comes into use."""
        self._shelf.add(id_, name, origin)
        in_use = self._shelf.read().in_use
        try:
            there = self.find(in_use or DEFAULT).id
        except NotFound:
            there = id_
        if there == id_:
            self._shelf.use(id_, name)
        return self.find(id_)

    def rollback(self) -> ImageStatus:
        """Back to the image that was in use before; doing it again goes forth."""
        before = self._shelf.read().before
        if before is None:
            raise NotReady(
                "No other image was in use before",
                hint="`llm-studio image list` shows what there is; `image use NAME` changes.",
            )
        try:
            return self.use(before)
        except NotFound as missing:
            kept = self._shelf.read().images.get(before)
            name = kept.name if kept else short(before)
            raise NotReady(
                f"The image that was in use before, {untrusted_line(name)}, is gone",
                why="Somebody has removed it from Docker.",
                hint=f"Get it again:  llm-studio image pull {untrusted_line(name)}",
            ) from missing

    def prune(self, pinned: Iterable[str] = ()) -> ImagesRemoved:
        """Remove what was pulled or built here and is not needed; `pinned` are profiles' own."""
        content = self._shelf.read()
        needed = {content.in_use, content.before}
        named = (engine_image(self._settings, self._shelf).reference, *pinned)
        for name in filter(_NAME.fullmatch, named):
            with contextlib.suppress(ImageMissing):
                needed.add(str(self._connection.do(_inspecting(name), image=name)["Id"]))
        removed: list[str] = []
        kept: list[ImageKept] = []
        before = self._layers()
        for id_, image in content.images.items():
            if id_ in needed or image.origin == "found":
                continue
            try:
                self._connection.do(_removing(id_))
                removed.append(f"{image.name} ({short(id_)})")
            except ImageMissing:
                pass
            except EngineError as error:
                name = f"{image.name} ({short(id_)})"
                kept.append(ImageKept(name=name, why=error.why or error.what))
                continue
            with self._shelf.change() as changed:
                changed.images.pop(id_, None)
        freed = max(before - self._layers(), 0)
        return ImagesRemoved(removed=removed, kept=kept, freed=freed)

    def _layers(self) -> int:
        return int(self._connection.do(lambda client: client.df()).get("LayersSize") or 0)

    def _status(self, id_: str, found: Mapping[str, Any], content: Content) -> ImageStatus:
        kept = content.images.get(id_)
        names = _names(found)
        labels = found.get("Labels") or (found.get("Config") or {}).get("Labels") or {}
        digests = [name.partition("@")[2] for name in names if "@" in name]
        state = "here" if found else "gone"
        if found and id_ == content.in_use:
            state = "in use"
        elif found and id_ == content.before:
            state = "before"
        tags = [name for name in names if "@" not in name]
        revision = labels.get("org.opencontainers.image.revision")
        return ImageStatus(
            id=id_,
            name=untrusted_line(kept.name if kept else next(iter(tags), short(id_))),
            tags=tags,
            digest=digests[0] if digests else None,
            size=found.get("Size"),
            created=_moment(found.get("Created")),
            revision=untrusted_line(revision, limit=40) if revision else None,
            origin=kept.origin if kept else "found",
            state=state,
            check=kept.check if kept else None,
        )


def _listed(client: Any) -> list[dict[str, Any]]:
    return list(client.images())


def _inspecting(name: str) -> Any:
    return lambda client: client.inspect_image(name)


def _removing(id_: str) -> Any:
    def remove(client: Any) -> None:
        docker: Any = importlib.import_module("docker.errors")
        try:
            client.remove_image(id_)
        except docker.APIError as error:
            if error.status_code != 409:
                raise
            why = untrusted_line(str(error.explanation))
            raise EngineError("Docker keeps it", why=why) from error

    return remove


def _names(found: Mapping[str, Any]) -> list[str]:
    names = [*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ())]
    return [untrusted_line(str(name)) for name in names if not str(name).startswith("<none>")]


def _of_llama_cpp(name: str) -> bool:
    return name.startswith((f"{OFFICIAL}:", f"{OFFICIAL}@", f"{OURS}:"))


def _moment(created: object) -> str:
    """Docker's list tells seconds, its inspection a text."""
    if isinstance(created, int):
        import datetime

        return datetime.datetime.fromtimestamp(created, datetime.UTC).isoformat(timespec="seconds")
    return untrusted_line(str(created or ""))[:19] + ("+00:00" if created else "")


def doubts(image: ImageStatus, settings: Settings) -> list[str]:
    """What to know before engines run this image."""
    told = []
    name = untrusted_line(image.name)
    if image.check is None:
        told.append(f"It has not been tested here:  llm-studio image check {name}")
    elif not image.check.passed:
        failed = ", ".join(each.step for each in image.check.findings if not each.passed)
        told.append(f"It failed its test ({failed}):  llm-studio image check {name}")
    if settings.image:
        origin = settings.values["image"].origin
        told.append(f"The setting `image` ({origin}) says {settings.image}, and that wins.")
    return told
