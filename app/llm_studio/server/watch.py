"""Watches one request from its arrival to its end, and writes down how it went."""

from __future__ import annotations

import time

from llm_studio.errors import StudioError
from llm_studio.server.dialect import status_of
from llm_studio.server.tokens import TokenReader
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.troubles import trouble_in

CLIENT_GONE = 499
"""As web servers log a client that left before it was answered."""


class Watch:
    """Fills a record, if there is one, out of what passes by."""

    def __init__(self, record: RequestRecord | None, *, keep: int = 0) -> None:
        """`keep` is how many bytes of the answer are kept."""
        self._record = record
        self._keep = keep
        self.answer = bytearray()
        self._started = time.perf_counter()
        self._reader: TokenReader | None = None
        self._outcome = ""

    def let_through(self) -> None:
        """It goes to the engine now."""
        if self._record is not None:
            self._record.held = time.perf_counter() - self._started

    def answered(self, status: int, content_type: str) -> None:
        if self._record is None:
            return
        self._record.status = status
        self._outcome = "failed" if status >= 500 else "refused" if status >= 400 else "done"
        stream = content_type.startswith("text/event-stream")
        if stream or content_type.startswith("application/json"):
            self._reader = TokenReader(stream=stream)

    def passed(self, data: bytes) -> None:
        if self._keep > len(self.answer):
            self.answer += data[: self._keep - len(self.answer)]
        reader, record = self._reader, self._record
        if reader is None or record is None:
            return
        reader.feed(data)
        if reader.first is not None and record.first_token is None:
            record.first_token = reader.first - self._started

    def broke_off(self) -> None:
        """The engine died, or closed the connection, in the midst of its answer."""
        self._outcome = "failed"

    def cancelled(self) -> None:
        self._outcome = "cancelled"
        if self._record is not None:
            self._record.status = self._record.status or CLIENT_GONE

    def refused(self, error: StudioError) -> None:
        status = status_of(error)
        # A 503 is the desk's own no; other failures of the server's kind are the engine's.
        self._outcome = "refused" if status < 500 or status == 503 else "failed"
        if self._record is not None:
            self._record.status = status

    def end(self) -> None:
        record, reader = self._record, self._reader
        if record is None:
            return
        now = time.perf_counter()
        record.seconds = now - self._started
        if reader is not None:
            found = reader.tokens()
            record.prompt_tokens, record.cached_tokens = found.prompt, found.cached
            record.generated_tokens = found.generated
            record.prompt_speed, record.speed = found.prompt_speed, found.speed
            if record.speed is None and reader.first is not None:
                record.speed = _measured(found.generated, now - reader.first)
            if found.failed and self._outcome == "done":
                self._outcome = "failed"
            record.stop = found.stop
            if record.session:
                record.trouble = trouble_in(reader.window(), done=self._outcome == "done")
        record.outcome = self._outcome


def _measured(generated: int | None, seconds: float) -> float | None:
    """The speed at which tokens passed, for routes where the engine tells none."""
    if generated is None or generated < 2 or seconds <= 0:
        return None
    return (generated - 1) / seconds
