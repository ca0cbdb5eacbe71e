"""Which profile a model's name in a request means. Asked for every request, so it reads profiles
only when their files changed."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.folders import profile_paths

FRESH = 0.2
"""Seconds for which the files are not looked at again."""


class Names:
    """Ids of profiles and their aliases; an id goes before an alias."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked = 0.0
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._names: dict[str, str] = {}
        self._ids: tuple[str, ...] = ()

    def profile_of(self, model: str) -> str | None:
        self._refresh()
        return self._names.get(model)

    @property
    def ids(self) -> tuple[str, ...]:
        """All profiles that can be served."""
        self._refresh()
        return self._ids

    def _refresh(self) -> None:
        if time.monotonic() - self._looked < FRESH:
            return
        seen = tuple(_stamps(self._folder))
        if seen != self._seen:
            self._read()
            self._seen = seen
        self._looked = time.monotonic()

    def _read(self) -> None:
        entries = [each for each in Catalogue.load(self._folder) if each.profile is not None]
        served = [each for each in entries if each.require().servable]
        names: dict[str, str] = {}
        for entry in served:
            for alias in (entry.require().server.alias or "").split(","):
                if alias.strip():
                    names.setdefault(alias.strip(), entry.id)
        self._ids = tuple(entry.id for entry in served)
        self._names = {**names, **{id_: id_ for id_ in self._ids}}


def _stamps(folder: Path) -> list[tuple[str, int]]:
    stamps = []
    for path in profile_paths(folder):
        with contextlib.suppress(OSError):
            stamps.append((str(path), path.stat().st_mtime_ns))
    return stamps
