"""All profiles of this user: their own, then those that ship. A broken one hides no other."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_studio.errors import NotFound, StudioError, did_you_mean
from llm_studio.profiles.folders import files_in, shipped_folder
from llm_studio.profiles.problem import KeyPath, Problem, line_of, problems_of
from llm_studio.profiles.profile import SECTIONS, Profile
from llm_studio.profiles.server import Sampling
from llm_studio.text import untrusted_line

MAX_FILE = 1 << 20
PROFILE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Source:
    """One profile file as it was read."""

    id: str
    path: Path
    shipped: bool
    text: str = ""
    table: Mapping[str, Any] | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One profile of the catalogue: usable, or broken and saying why."""

    id: str
    path: Path
    shipped: bool
    profile: Profile | None = None
    problems: tuple[Problem, ...] = ()
    origins: Mapping[str, str] | None = None
    """For each key that is set, like "server.context", the id of the profile that sets it."""
    overrides: bool = False
    """Whether it takes the place of a shipped one of the same id."""

    def require(self) -> Profile:
        """The profile, or an error that tells what is wrong with its file."""
        if self.profile is None:
            raise StudioError(
                f"The profile {self.id!r} is broken",
                why="\n".join(str(problem) for problem in self.problems),
                hint=f"Mend it with `llm-studio edit {self.id}`.",
            )
        return self.profile

    def origin(self, section: str, key: str) -> str | None:
        return (self.origins or {}).get(f"{section}.{key}")


class Catalogue:
    """Every profile, in the order of their ids."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._own: dict[str, Source] = {}
        self._shipped: dict[str, Source] = {}
        for source in sources:
            (self._shipped if source.shipped else self._own)[source.id] = source

    @classmethod
    def load(cls, own_folder: Path) -> Catalogue:
        return cls([*_read_folder(shipped_folder(), True), *_read_folder(own_folder, False)])

    def with_source(self, source: Source) -> Catalogue:
        """The same profiles, with one of the user's own put in or replaced."""
        others = (each for each in self._own.values() if each.id != source.id)
        return Catalogue([*self._shipped.values(), *others, source])

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        ids = sorted({*self._own, *self._shipped}, key=lambda id_: (id_.lower(), id_))
        return {id_: self._resolve(self._own.get(id_) or self._shipped[id_]) for id_ in ids}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def get(self, id_: str) -> Entry:
        entry = self.entries.get(id_)
        if entry is None:
            raise NotFound(
                f"There is no profile {untrusted_line(id_)!r}",
                hint=did_you_mean(id_, self.entries) or "`llm-studio list` shows them all.",
            )
        return entry

    def card_for(self, entry: Entry) -> Sampling | None:
        """The samplers of the shipped profile for the same repository as one of the user's own."""
        if entry.shipped or entry.profile is None or entry.profile.model.repo is None:
            return None
        for id_, source in self._shipped.items():
            if id_ != entry.id and source.table is not None:
                shipped = self._resolve(source).profile
                if shipped and shipped.model.repo == entry.profile.model.repo:
                    return shipped.sampling
        return None

    def _resolve(self, source: Source) -> Entry:
        entry = Entry(source.id, source.path, source.shipped)
        if not source.shipped and source.id in self._shipped:
            entry = replace(entry, overrides=True)
        if source.table is None:
            assert source.problem is not None
            return replace(entry, problems=(source.problem,))
        lineage = self._lineage(source)
        if isinstance(lineage, Problem):
            return replace(entry, problems=(lineage,))
        merged, setters = _merge(lineage)
        origins = {".".join(key): _origin(setter, source) for key, setter in setters.items()}
        try:
            profile = Profile.model_validate(merged)
        except ValidationError as error:
            locate = {key: (setter.path, setter.text) for key, setter in setters.items()}
            problems = problems_of(error, locate, (source.path, source.text))
            return replace(entry, problems=problems, origins=origins)
        return replace(entry, profile=profile, origins=origins)

    def _lineage(self, source: Source) -> list[Source] | Problem:
        """The profile and those that it extends, nearest first."""
        lineage = [source]
        while True:
            last = lineage[-1]
            assert last.table is not None
            parent = last.table.get("extends")
            if parent is None:
                return lineage
            problem = Problem(last.path, "", line_of(last.text, ("extends",)), "extends")
            if not isinstance(parent, str):
                return replace(problem, what="should be the id of a profile.")
            found = self._parent(last, parent)
            if found is None:
                hint = did_you_mean(parent, {*self._own, *self._shipped})
                return replace(
                    problem, what=f"there is no profile {untrusted_line(parent)!r}.", hint=hint
                )
            if found in lineage:
                chain = [each.id for each in lineage[lineage.index(found) :]] + [found.id]
                return replace(problem, what=f"goes in a circle: {' → '.join(chain)}.")
            if found.table is None:
                return replace(problem, what=f"the profile {parent!r} is broken ({found.path}).")
            lineage.append(found)

    def _parent(self, child: Source, id_: str) -> Source | None:
        """A user's profile may extend the shipped one of its own id."""
        if id_ == child.id and not child.shipped and id_ in self._shipped:
            return self._shipped[id_]
        if child.shipped and id_ in self._shipped:
            return self._shipped[id_]
        return self._own.get(id_) or self._shipped.get(id_)


def _origin(setter: Source, source: Source) -> str:
    """The id of the profile that sets a value; a shipped one may have the id of the user's."""
    same = setter is not source and setter.id == source.id
    return f"{setter.id} (shipped)" if same else setter.id


def _merge(lineage: Sequence[Source]) -> tuple[dict[str, Any], dict[KeyPath, Source]]:
    """The values of a profile over those that it extends, and who set each."""
    own = lineage[0].table or {}
    merged: dict[str, Any] = {key: value for key, value in own.items() if key not in SECTIONS}
    setters: dict[KeyPath, Source] = {(key,): lineage[0] for key in merged}
    for source in reversed(lineage):
        for section in SECTIONS:
            if section not in (source.table or {}):
                continue
            values = (source.table or {})[section]
            if not isinstance(values, dict):
                merged[section] = values
                setters[(section,)] = source
                continue
            if isinstance(merged.setdefault(section, {}), dict):
                merged[section] |= values
            setters |= {(section, key): source for key in values}
    return merged, setters


def _read_folder(folder: Path, shipped: bool) -> Iterator[Source]:
    try:
        os.listdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:  # what is in it must not be missed unnoticed
        problem = Problem(folder, f"cannot be read: {error.strerror}.")
        yield Source(folder.name, folder, shipped, problem=problem)
        return
    seen: dict[str, Path] = {}
    for path in files_in(folder):
        source = read_source(path, shipped=shipped)
        twin = seen.setdefault(source.id.lower(), path)
        if twin is not path:
            what = f"the id differs from that of {twin.name} only in upper and lower case."
            source = replace(source, table=None, problem=Problem(path, what, hint="Rename one."))
        yield source


def read_source(path: Path, *, shipped: bool = False) -> Source:
    """One profile file, or what keeps it from being read."""
    source = Source(path.stem, path, shipped)
    if not PROFILE_ID.fullmatch(path.stem):
        what = "the file's name is not a profile id."
        hint = "Use letters, digits, dots, dashes and underscores, 64 at most."
        safe = replace(source, id=untrusted_line(path.stem, limit=64))
        return replace(safe, problem=Problem(path, what, hint=hint))
    try:
        # A pipe would be waited for, for ever.
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            return replace(source, problem=Problem(path, "is no regular file."))
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        return replace(source, problem=Problem(path, f"cannot be read: {error.strerror}."))
    if len(raw) > MAX_FILE:
        return replace(source, problem=Problem(path, "is larger than a profile can be (1 MiB)."))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return replace(source, problem=Problem(path, "is not UTF-8 text.", line))
    return parse_source(replace(source, text=text))


def parse_source(source: Source) -> Source:
    """The source with its text parsed."""
    try:
        return replace(source, table=tomllib.loads(source.text), problem=None)
    except ValueError as error:  # tomllib's own, or int's for a number of too many digits
        told = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
        if told:
            what = f"{untrusted_line(told[1])} (column {told[3]})."
            return replace(source, problem=Problem(source.path, what, int(told[2])))
        last = len(source.text.splitlines()) or 1
        what = f"{untrusted_line(str(error))}."
        return replace(source, problem=Problem(source.path, what, last))
    except RecursionError:
        return replace(source, problem=Problem(source.path, "is nested too deeply."))
