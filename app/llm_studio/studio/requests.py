"""What was asked of the gateway: one numbered record a request, in memory and on disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from llm_studio.journal import append, restored
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.session_sums import SessionSums

KEPT = 2000
FILE_SIZE = 8 << 20
"""The journal begins anew at this size; the one before it stays beside it."""
_SESSION, _NO_SESSION = '"session": ', '"session": ""'
FLUSH = 1.0
"""Seconds in which records gather, to be written together."""


@dataclass(slots=True)
class Totals:
    """Sums over all requests since the studio started."""

    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0

    def add(self, record: RequestRecord) -> None:
        self.requests += 1
        self.failed += record.outcome == "failed"
        self.prompt_tokens += record.prompt_tokens or 0
        self.cached_tokens += record.cached_tokens or 0
        self.generated_tokens += record.generated_tokens or 0


class Requests:
    """The newest records; they are there again after a restart."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._records: deque[tuple[int, RequestRecord]] = deque(maxlen=KEPT)
        self._last = 0
        self._unwritten: list[str] = []
        self._writing: asyncio.Task[None] | None = None
        self.totals = Totals()
        self.sessions: dict[str, SessionSums] = {}
        """By the agents' sessions, for as long as the journal remembers."""
        self._recall()

    @property
    def last(self) -> int:
        """The number of the newest."""
        return self._last

    def add(self, record: RequestRecord) -> None:
        self._keep(record)
        self.totals.add(record)
        self._sum(record)
        self._unwritten.append(json.dumps(asdict(record)) + "\n")
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon(), name="requests")

    def since(self, number: int, limit: int) -> list[tuple[int, RequestRecord]]:
        """Up to `limit` records after a number; a negative one counts from the end."""
        if number < 0:
            number = self._last + number
        newer = (each for each in self._records if each[0] > number)
        return list(islice(newer, limit))

    async def close(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await asyncio.to_thread(self._append, self._taken())

    def _sum(self, record: RequestRecord) -> None:
        if record.session:
            self.sessions.setdefault(record.session, SessionSums()).add(record)

    def _keep(self, record: RequestRecord) -> None:
        self._last += 1
        self._records.append((self._last, record))

    def _taken(self) -> list[str]:
        taken, self._unwritten = self._unwritten, []
        return taken

    async def _write_soon(self) -> None:
        await asyncio.sleep(FLUSH)
        self._writing = None
        await asyncio.to_thread(self._append, self._taken())

    def _append(self, lines: list[str]) -> None:
        if not lines:
            return
        with contextlib.suppress(OSError):  # a full disk stops no request
            if self._journal.exists() and self._journal.stat().st_size > FILE_SIZE:
                os.replace(self._journal, self._older)
            append(self._journal, "".join(lines))

    @property
    def _older(self) -> Path:
        return self._journal.with_suffix(".1.jsonl")

    def _recall(self) -> None:
        lines: deque[str] = deque(maxlen=KEPT)
        of_sessions: list[str] = []
        for path in (self._older, self._journal):
            with (
                contextlib.suppress(OSError),
                path.open(encoding="utf-8", errors="replace") as file,
            ):
                for line in file:
                    lines.append(line)
                    if _NO_SESSION not in line and _SESSION in line:
                        of_sessions.append(line)
        for record in _read(lines):
            self._keep(record)
        for record in _read(of_sessions):
            self._sum(record)


def _read(lines: Iterable[str]) -> Iterable[RequestRecord]:
    """Those that are whole: the last one may be cut where the studio died."""
    for line in lines:
        record = restored(RequestRecord, line)
        if record is not None:
            yield record
