"""How far an engine's log was read, so that the next studio repeats no line of it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

OFTEN = 1.0
"""Seconds between two writings: at most so much is repeated after a crash."""


class Bookmark:
    """One file for the one engine that a follower reads; another engine's mark is none."""

    def __init__(self, folder: Path | None, instance: str) -> None:
        self._path = folder / f"log-{instance}.mark" if folder else None
        self._written = 0.0
        self._mark = ""

    def read(self) -> str:
        """The mark that was kept; nothing where there is none."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if self._path is not None:
                mark = json.loads(self._path.read_text(encoding="utf-8"))["mark"]
                return mark if isinstance(mark, str) else ""
        return ""

    def keep(self, mark: str, *, now: bool = False) -> None:
        moment = time.monotonic()
        if self._path is None or mark == self._mark or not (now or moment - self._written > OFTEN):
            return
        self._written, self._mark = moment, mark
        with contextlib.suppress(OSError):  # a full disk: lines are repeated, and none is lost
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({"mark": mark}), encoding="utf-8")
            os.replace(new, self._path)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            if self._path is not None:
                self._path.unlink(missing_ok=True)
