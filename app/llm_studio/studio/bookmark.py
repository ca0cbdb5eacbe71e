"""How far an engine's log was read, so that the next studio repeats no line of it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

OFTEN = 1.0
"""Seconds between two writings: at most so much is repeated after a crash."""
KEPT = 8
"""Engines whose marks are kept, the newest: nobody else tidies up after one that is gone."""


class Bookmark:
    """The mark of one engine, among those of others in a file."""

    def __init__(self, file: Path | None, instance: str) -> None:
        self._file = file
        self._instance = instance
        self._written = 0.0
        self._mark = ""

    def read(self) -> str:
        """The mark that was kept; nothing where there is none."""
        return self._all().get(self._instance, "")

    def keep(self, mark: str, *, now: bool = False) -> None:
        moment = time.monotonic()
        if mark == self._mark or not (now or moment - self._written > OFTEN):
            return
        self._written, self._mark = moment, mark
        others = {name: each for name, each in self._all().items() if name != self._instance}
        newest = list(others.items())[-(KEPT - 1) :]
        self._write({**dict(newest), self._instance: mark})

    def remove(self) -> None:
        kept = self._all()
        if kept.pop(self._instance, None) is not None:
            self._write(kept)

    def _all(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if self._file is not None:
                kept = json.loads(self._file.read_text(encoding="utf-8"))
                return {str(name): mark for name, mark in kept.items() if isinstance(mark, str)}
        return {}

    def _write(self, marks: dict[str, str]) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # a full disk: lines are repeated, and none is lost
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(marks), encoding="utf-8")
            os.replace(new, self._file)
