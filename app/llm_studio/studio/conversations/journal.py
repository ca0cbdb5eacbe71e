"""One conversation's file: records are appended, one a line, and none is ever changed.

Whatever was cut in the midst of a write, by a kill or a full disk, is one line that is left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.journal import append
from llm_studio.storage import write_atomically

Record = dict[str, Any]


class Journal:
    """Takes records at once, and writes them behind in their order."""

    def __init__(self, path: Path | None) -> None:
        """Without a path nothing is ever written."""
        self._path = path
        self._pending: list[str] = []
        self._sync = False
        self._writing: asyncio.Task[None] | None = None
        self.problem = ""
        """Why records are still unwritten, if they are."""

    def add(self, record: Record, *, sync: bool = False) -> None:
        """Write it soon; with `sync` it is to outlive a power cut too."""
        if self._path is None:
            return
        self._pending.append(_line(record))
        self._sync |= sync
        if not self.busy:
            self._writing = asyncio.create_task(self._write(), name="conversation")

    @property
    def busy(self) -> bool:
        return self._writing is not None and not self._writing.done()

    async def flushed(self) -> None:
        """Once all that was added is written, or cannot be."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def rewrite(self, records: Callable[[], Iterable[Record]]) -> None:
        """Replace everything, so that what is not among the records is gone from the disk."""
        if self._path is None:
            return
        await self.flushed()
        self._writing = asyncio.create_task(self._replace(records), name="conversation")
        await self._writing

    async def _replace(self, records: Callable[[], Iterable[Record]]) -> None:
        assert self._path is not None
        known = len(self._pending)
        text = "".join(map(_line, records()))
        await asyncio.to_thread(write_atomically, self._path, text, mode=0o600)
        del self._pending[:known]
        await self._write()

    async def _write(self) -> None:
        assert self._path is not None
        while self._pending:
            lines, self._pending = self._pending, []
            sync, self._sync = self._sync, False
            try:
                await asyncio.to_thread(append, self._path, "".join(lines), sync=sync)
                self.problem = ""
            except OSError as error:
                self.problem = error.strerror or str(error)
                self._pending = lines + self._pending  # the next record tries again
                self._sync |= sync
                return


def read(path: Path) -> list[Record]:
    """Every record that is whole."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StudioError(
            "The conversation cannot be read",
            why=error.strerror or str(error),
            hint=f"It is in {path}.",
        ) from error
    records = []
    for line in raw.split(b"\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _line(record: Record) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"
