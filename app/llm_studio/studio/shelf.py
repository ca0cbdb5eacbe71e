"""The profiles and model files of this user: listed, looked at closely, made, changed, thrown away.

Everything is read from the disk when it is asked for, so that an edit needs no restart. All of it
blocks, so it is for a thread.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library, ModelFile
from llm_studio.probes.machine import this_machine
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.create import id_for, quantisation_of, values_for
from llm_studio.profiles.measured import Measured
from llm_studio.profiles.plan import Machine, Plan
from llm_studio.profiles.save import change, check_id, compose, save
from llm_studio.profiles.summary import parameters_told, summarise
from llm_studio.schema import ModelFileSummary, ProfileDetail, ProfileSummary
from llm_studio.settings import Settings
from llm_studio.studio.profile_detail import detail_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What if a profile had other values; none of it is written."""

    context: int | None = None
    cache_type: str | None = None

    def on(self, entry: Entry) -> Entry:
        profile = entry.profile
        if profile is None:
            return entry
        changes: dict[str, Any] = {}
        if self.context is not None:
            changes["context"] = self.context
        if self.cache_type is not None:
            changes |= {"cache_type_k": self.cache_type, "cache_type_v": self.cache_type}
        values = {**profile.server.model_dump(exclude_unset=True), **changes}
        try:
            server = type(profile.server).model_validate(values)
        except ValidationError as error:
            raise UsageError("A profile cannot be so", why=error.errors()[0]["msg"]) from error
        return replace(entry, profile=profile.model_copy(update={"server": server}))


class Shelf:
    def __init__(self, settings: Settings, held: Callable[[str], Mapping[str, int]]) -> None:
        """`held` is the memory of the engine that a profile would take the place of: it counts as
        free."""
        self._settings = settings
        self._held = held

    # Looking

    def summaries(self) -> list[ProfileSummary]:
        with self._library() as library:
            machine = self._machine()
            measured = Measured.load(self._settings.paths.state)
            return [
                summarise(Plan(entry, machine, library), measured) for entry in self._catalogue()
            ]

    def detail(self, id_: str, wish: Wish | None = None) -> ProfileDetail:
        """One profile; with a wish, as it would be."""
        catalogue = self._catalogue()
        entry = catalogue.get(id_)
        wished = wish.on(entry) if wish else entry
        with self._library() as library:
            plan = Plan(wished, self._machine(id_), library, catalogue.card_for(entry))
            return detail_of(plan, self._settings.paths.state)

    def files_without_profile(self) -> list[ModelFileSummary]:
        """Model files that could have a profile and have none."""
        with self._library() as library:
            named = self._named(library)
            return [
                _file_summary(model)
                for model in library
                if model.kind == "model" and not named & {model.name, *model.also}
            ]

    def _named(self, library: Library) -> set[str]:
        names: set[str] = set()
        for entry in self._catalogue():
            section = entry.profile.model if entry.profile else None
            for file in (section.file, section.draft) if section else ():
                model = library.find(file, section.repo if section else None) if file else None
                names |= {model.name} if model else set()
        return names

    # Changing

    def create(self, file: str, id_: str = "") -> ProfileSummary:
        """A first profile for a model file."""
        with self._library() as library:
            model = library.get(file)
            if model.kind != "model":
                raise UsageError(
                    f"{model.name} is no model that could be served",
                    why=model.problem or f"It is {model.nature}.",
                )
            text = compose(values_for(model))
            catalogue = self._catalogue()
            wanted = id_ or _free_id(id_for(model), catalogue)
            return self._write_new(wanted, text, catalogue, library)

    def duplicate(self, id_: str, new: str = "") -> ProfileSummary:
        """A copy of a profile, the user's own."""
        catalogue = self._catalogue()
        text = _text_of(catalogue.get(id_).path)
        with self._library() as library:
            wanted = new or _free_id(f"{id_[:58]}-copy", catalogue)
            return self._write_new(wanted, text, catalogue, library)

    def _write_new(
        self, id_: str, text: str, catalogue: Catalogue, library: Library
    ) -> ProfileSummary:
        check_id(id_)
        path = self._settings.paths.profiles / f"{id_}.toml"
        if id_ in catalogue.entries or path.exists():
            raise NotReady(f"There is a profile {id_!r} already", hint="Choose another id.")
        entry = save(id_, path, text, catalogue)
        return summarise(Plan(entry, self._machine(), library))

    def change(self, id_: str, changes: Mapping[str, Any]) -> ProfileSummary:
        """Set values by dotted keys; a shipped profile becomes a copy of the user's own."""
        catalogue = self._catalogue()
        entry = catalogue.get(id_)
        text = _text_of(entry.path)
        path = self._settings.paths.profiles / f"{id_}.toml" if entry.shipped else entry.path
        changed = save(id_, path, change(text, changes), catalogue)
        with self._library() as library:
            return summarise(Plan(changed, self._machine(), library))

    def throw_away(self, id_: str) -> Path:
        """Move a profile of the user's own to the trash folder; where it is now."""
        entry = self._catalogue().get(id_)
        if entry.shipped:
            raise NotReady(
                f"{id_!r} ships with llm-studio, so it cannot be deleted",
                hint="A profile of your own with the same id takes its place.",
            )
        trash = self._settings.paths.profiles / "trash"
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = trash / f"{id_}.{stamp}.toml"
        number = 1
        while target.exists():
            number += 1
            target = trash / f"{id_}.{stamp}-{number}.toml"
        try:
            trash.mkdir(parents=True, exist_ok=True)
            shutil.move(entry.path, target)
        except OSError as error:
            raise StudioError(
                f"{id_!r} could not be deleted", why=error.strerror or str(error)
            ) from error
        return target

    # What there is

    @contextmanager
    def _library(self) -> Iterator[Library]:
        with Headers(self._settings.paths.cache) as headers:
            yield Library.scan(self._settings.models, headers, caches=self._settings.caches)

    def _catalogue(self) -> Catalogue:
        return Catalogue.load(self._settings.paths.profiles)

    def _machine(self, id_: str = "") -> Machine:
        return this_machine(self._settings.paths.state).with_returned(self._held(id_))


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not UTF-8 text") from error


def _free_id(wanted: str, catalogue: Catalogue) -> str:
    """The id, or the next of its kind that is free."""
    taken = {id_.lower() for id_ in catalogue.entries}
    if wanted.lower() not in taken:
        return wanted
    stem = re.sub(r"-\d+$", "", wanted)[:60]
    number = 2
    while f"{stem}-{number}".lower() in taken:
        number += 1
    return f"{stem}-{number}"


def _file_summary(model: ModelFile) -> ModelFileSummary:
    header = model.header
    missing = f"{len(model.missing)} of {model.shard_count} shards missing" if model.missing else ""
    return ModelFileSummary(
        name=model.name,
        size=model.size,
        place=model.place,
        path=str(model.path),
        quantisation=(quantisation_of(header) or None) if header else None,
        parameters=parameters_told(header) if header else None,
        problem=missing or model.problem,
    )
