"""What happened, to be shown beside the curves: numbered, and there again after a restart."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from llm_studio.errors import StudioError
from llm_studio.journal import append, restored
from llm_studio.schema import Mark
from llm_studio.storage import write_atomically
from llm_studio.studio.waiters import Waiters
from llm_studio.text import untrusted_line

KEPT = 2000


class Marks:
    """The newest of them, the newest last."""

    def __init__(self, journal: Path | None = None) -> None:
        self._journal = journal
        self._marks: deque[Mark] = deque(maxlen=KEPT)
        self._waiters = Waiters()
        self._lines = 0
        """In the journal, which is written anew when most of them are old."""
        self.last = 0
        self._recall()

    def __iter__(self) -> Iterator[Mark]:
        return iter(list(self._marks))

    def add(
        self, kind: str, about: str, text: str, *, level: str = "info", over: bool = False
    ) -> Mark:
        self.last += 1
        mark = Mark(
            seq=self.last, time=time.time(), kind=kind, level=level,
            about=untrusted_line(about), text=untrusted_line(text, limit=500), over=over,
        )  # fmt: skip
        self._marks.append(mark)
        self._write(mark)
        self._waiters.wake()
        return mark

    def since(self, seq: int) -> list[Mark]:
        return [mark for mark in self._marks if mark.seq > seq]

    def between(self, start: float, end: float) -> list[Mark]:
        return [mark for mark in self._marks if start <= mark.time < end]

    async def changed(self, seq: int, limit: float) -> None:
        """Returns when there are marks after the number, or the time is up."""
        if self.last != seq:
            return
        await self._waiters.wait(limit)

    def _write(self, mark: Mark) -> None:
        if self._journal is None:
            return
        with contextlib.suppress(OSError):  # a full disk costs the journal, not the studio
            append(self._journal, mark.model_dump_json() + "\n")
            self._lines += 1
            self._shorten()

    def _shorten(self) -> None:
        if self._journal is not None and self._lines > 2 * KEPT:
            kept = "".join(mark.model_dump_json() + "\n" for mark in self._marks)
            with contextlib.suppress(StudioError):
                write_atomically(self._journal, kept, mode=0o600)
                self._lines = len(self._marks)

    def _recall(self) -> None:
        if self._journal is None:
            return
        try:
            lines = self._journal.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines[-2 * KEPT :]:
            mark = restored(Mark, line)
            if mark is not None and mark.seq > self.last:
                self._marks.append(mark)
                self.last = mark.seq
        self._lines = len(lines)
        self._shorten()
