"""The model files on this machine: shards as one model, projectors paired, duplicates once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from llm_studio.errors import NotFound, StudioError, did_you_mean
from llm_studio.models.architecture import Architecture
from llm_studio.models.demo import file as demo
from llm_studio.models.gguf import Header
from llm_studio.models.headers import Headers
from llm_studio.models.places import Found, find_files
from llm_studio.settings import home_folder
from llm_studio.text import untrusted_line

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.I)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model: all its shards, and the projectors beside it."""

    name: str
    """How a profile names it."""
    paths: tuple[Path, ...]
    """Every shard that is here, in order."""
    size: int
    place: str
    repo: str = ""
    missing: tuple[int, ...] = ()
    """Numbers of shards that are not here."""
    shard_count: int = 1
    projectors: tuple[Path, ...] = ()
    also: tuple[str, ...] = ()
    """Other names of the same file."""
    kind: str = "model"
    """"model", "projector", "adapter" or "unknown"."""
    header: Header | None = None
    """Of all shards together."""
    problem: str = ""
    to_be_written: bool = False
    """The demo model, before it was asked for."""

    @property
    def path(self) -> Path:
        return self.paths[0]

    @property
    def usable(self) -> bool:
        return self.header is not None and not self.missing and not self.problem

    @property
    def nature(self) -> str:
        """What it is, in words."""
        known = {"model": "a language model", "projector": "a projector", "adapter": "an adapter"}
        return known.get(self.kind, "a file of another kind, like a model that makes pictures")

    def require(self) -> Header:
        """The header, or an error that says why the model cannot be served."""
        if self.missing:
            raise StudioError(
                f"{self.name} is not complete",
                why=f"{shards_told(self.missing, self.shard_count)} missing.",
                hint="Download the missing part into the same folder.",
            )
        if self.header is None or self.problem:
            raise StudioError(f"{self.name} cannot be served", why=self.problem)
        return self.header


def shards_told(missing: Sequence[int], count: int) -> str:
    """`shard 2 of 3 is`, `shards 2 and 3 of 4 are`."""
    numbers = [str(number) for number in missing[:6]] + (["…"] if len(missing) > 6 else [])
    if len(numbers) == 1:
        return f"Shard {numbers[0]} of {count} is"
    return f"Shards {', '.join(numbers[:-1])} and {numbers[-1]} of {count} are"


class Library:
    """Every model file, read when asked for."""

    def __init__(
        self, found: Iterable[Found], headers: Headers, folders: Sequence[Path] = ()
    ) -> None:
        self._found = list(found)
        self._headers = headers
        self._folders = folders
        self._read: dict[str, ModelFile] = {}

    @classmethod
    def scan(
        cls,
        folders: Sequence[Path],
        headers: Headers,
        *,
        caches: bool = True,
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> Library:
        environment = os.environ if environment is None else environment
        found = find_files(folders, caches, environment, home or home_folder())
        return cls(found, headers, folders)

    @cached_property
    def _models(self) -> dict[str, ModelFile]:
        """Models by name, their headers not read yet."""
        models: dict[str, ModelFile] = {}
        identities: dict[object, str] = {}
        digests = {found.path: found.digest for found in self._found}
        for model in _grouped(self._found):
            twin = None
            for identity in (_identity(model.path), digests.get(model.path)):
                if identity:
                    twin = twin or identities.get(identity)
                    identities.setdefault(identity, model.name)
            if twin and twin in models:
                first = models[twin]
                if model.name not in (first.name, *first.also):
                    models[twin] = replace(first, also=(*first.also, model.name))
            elif model.name not in models:
                models[model.name] = model
        return models

    def __iter__(self) -> Iterator[ModelFile]:
        return (self._with_header(name) for name in self._models)

    def __len__(self) -> int:
        return len(self._models)

    def get(self, name: str) -> ModelFile:
        """The model of this name, or at this path."""
        for model in self._models.values():
            if name in (model.name, *model.also) or name in map(str, model.paths):
                return self._with_header(model.name)
        for model in self._models.values():
            if _identity(Path(name)) in map(_identity, model.paths) and _identity(Path(name)):
                return self._with_header(model.name)
        names = [model.name for model in self._models.values()]
        near = did_you_mean(name, [*names, *(each.rsplit("/", 1)[-1] for each in names)])
        raise NotFound(
            f"There is no model file {untrusted_line(name)!r}",
            hint=near or "`llm-studio files` shows those that are here.",
        )

    def find(self, file: str, repo: str | None = None) -> ModelFile | None:
        """The model that a profile means: by name, by repository, or by its file's name alone."""
        wanted = file.rsplit("/", 1)[-1]
        same: list[ModelFile] = []
        for model in self._models.values():
            names = (model.name, *model.also)
            if file in names or (repo and f"{repo}/{wanted}" in names):
                return self._with_header(model.name)
            if wanted in (name.rsplit("/", 1)[-1] for name in names):
                same.append(model)
        if len(same) == 1:
            return self._with_header(same[0].name)
        return self._demo() if file == demo.FILE else None

    def _demo(self) -> ModelFile | None:
        """The demo model, where it will be once it is asked for."""
        if not self._folders:
            return None
        header, size = demo.header_to_be()
        path = self._folders[0] / demo.FILE
        return ModelFile(demo.FILE, (path,), size, "folder", header=header, to_be_written=True)

    def beside(self, file: str, model: ModelFile | None) -> ModelFile | None:
        """A companion (projector, adapter, draft): by its own name, or in the model's folder."""
        if file in self._models:
            return self._with_header(file)
        if model is not None:
            neighbour = model.path.parent / file.rsplit("/", 1)[-1]
            for each in self._models.values():
                if neighbour in each.paths:
                    return self._with_header(each.name)
        return None

    def plain(self, file: str) -> Path | None:
        """A file that is no model, like a chat template, below one of the folders."""
        for folder in self._folders:
            if _identity(folder / file):
                return folder / file
        return None

    def _with_header(self, name: str) -> ModelFile:
        if name not in self._read:
            self._read[name] = self._complete(self._models[name])
        return self._read[name]

    def _complete(self, model: ModelFile) -> ModelFile:
        try:
            parts = [self._headers.read(path) for path in model.paths]
        except StudioError as error:
            told = f"{error.what}: {error.why}" if error.why else error.what
            problem = untrusted_line(told, limit=400)
            return replace(model, kind="unknown", problem=problem)
        first = parts[0]
        tensors = tuple(tensor for part in parts for tensor in part.tensors)
        header = replace(first, tensors=tensors)
        kind = _kind(header, model.name)
        model = replace(model, header=header, kind=kind)
        return replace(model, projectors=self._projectors_of(model)) if kind == "model" else model

    def _projectors_of(self, model: ModelFile) -> tuple[Path, ...]:
        """Projectors lie in the folder of their model; Ollama names them after it."""
        near = []
        for other in self._models.values():
            if other.name == f"{model.name}:projector" or (
                other.path.parent == model.path.parent
                and other.path.name.lower().startswith("mmproj")
            ):
                near.append(other.path)
        return tuple(near)


def _grouped(found: Iterable[Found]) -> Iterator[ModelFile]:
    """Files as models: the shards of one model together, under the name of the first."""
    shards: dict[tuple[Path, str], dict[int, Found]] = {}
    order: list[tuple[Path, str] | Found] = []
    for each in found:
        match = _SHARD.fullmatch(each.path.name)
        if match is None:
            order.append(each)
            continue
        key = (each.path.parent, f"{match['stem']}-of-{match['count']}")
        if key not in shards:
            order.append(key)
        shards.setdefault(key, {})[int(match["number"])] = each
    for item in order:
        if isinstance(item, Found):
            yield ModelFile(item.name, (item.path,), _size(item.path), item.place, item.repo)
            continue
        parts = shards[item]
        count = int(item[1].rsplit("-of-", 1)[1])
        first = parts[min(parts)]
        name = re.sub(r"-\d{5}(-of-\d{5}\.gguf)$", r"-00001\1", first.name, flags=re.I)
        paths = tuple(parts[number].path for number in sorted(parts))
        missing = tuple(number for number in range(1, min(count, 9999) + 1) if number not in parts)
        size = sum(_size(path) for path in paths)
        yield ModelFile(name, paths, size, first.place, first.repo, missing, count)


def _kind(header: Header, name: str) -> str:
    declared = header.metadata.get("general.type")
    if header.architecture == "clip" or declared == "mmproj":
        return "projector"
    if declared == "adapter":
        return "adapter"
    if not Architecture(header).sound:
        return "unknown"
    return "model"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
