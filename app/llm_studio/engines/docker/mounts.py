"""The files of a launch as the container sees them: each bound by itself, nothing beside them.

Binding the file that a link leads to makes the links of download caches work, and shows the
container no other model. Only a folder for saved slots may be written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import EngineError

MODELS = PurePosixPath("/models")
SLOTS = PurePosixPath("/slots")
_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w.+@=-]")


@dataclass(frozen=True, slots=True)
class Mount:
    """Something of this machine, and where it is inside."""

    source: Path
    target: str
    writable: bool = False


def inside(files: Files) -> tuple[Files, tuple[Mount, ...]]:
    """The same files by their names in the container, and what has to be mounted for that."""
    places = _Places()
    translated = Files(
        places.place(files.model),
        places.place(files.mmproj) if files.mmproj else None,
        places.place(files.draft) if files.draft else None,
        tuple((places.place(path), scale) for path, scale in files.lora),
        places.place(files.chat_template) if files.chat_template else None,
        Path(SLOTS) if files.slots else None,
    )
    if files.slots:
        places.mounts.append(Mount(_folder(files.slots), str(SLOTS), writable=True))
    return translated, tuple(places.mounts)


class _Places:
    """Gives each file a name of its own; files of equal name get folders of their own."""

    def __init__(self) -> None:
        self.mounts: list[Mount] = []
        self._taken: dict[str, Path] = {}

    def place(self, path: Path) -> Path:
        parts = list(_shards(path))
        for folder in _folders():
            targets = {str(folder / _name(part)): part for part in parts}
            if all(self._taken.get(target, part) == part for target, part in targets.items()):
                break
        for target, part in targets.items():
            if target not in self._taken:
                self._taken[target] = part
                self.mounts.append(Mount(_real(part), target))
        return Path(folder / _name(path))


def _folders() -> Iterator[PurePosixPath]:
    yield MODELS
    number = 2
    while True:
        yield MODELS / str(number)
        number += 1


def _name(path: Path) -> str:
    """The file's name without what llama-server's lists of files would take for a separator."""
    return _UNSAFE.sub("_", path.name)


def _shards(path: Path) -> Iterator[Path]:
    """The file, or all shards of it that are here."""
    match = _SHARD.fullmatch(path.name)
    if not match:
        yield path
        return
    count = int(match["count"])
    for number in range(1, min(count, 9999) + 1):
        name = f"{match['stem']}-{number:05d}-of-{match['count']}{match['suffix']}"
        shard = path.with_name(name)
        if shard == path or shard.exists():
            yield shard


def _real(path: Path) -> Path:
    real = Path(os.path.realpath(path))
    if not real.is_file():
        raise EngineError(
            f"The file {path} is not here", why="It was moved or removed.",
            hint="`llm-studio list` shows which profiles have their files.",
        )  # fmt: skip
    return real


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EngineError(f"Cannot make the folder {path}", why=error.strerror or "") from error
    return Path(os.path.realpath(path))
