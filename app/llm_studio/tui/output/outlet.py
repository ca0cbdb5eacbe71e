"""The way to the terminal: written by a thread, one frame at a time, and never waited for."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from llm_studio.tui.output.pace import Pace

QUESTION = "\x1b[5n"
"""Asks the terminal whether it is well. That it answers shows what it has drawn."""
ANSWER = "\x1b[0n"
_ASK_EVERY = 512
_UNDER_WAY = 0.05
"""What takes so many seconds may be on its way when the next frame leaves: a key waits no more."""
_UNDER_WAY_AT_LEAST = 1024
_UNDER_WAY_AT_FIRST = 4096
_UNANSWERED = 8
PATIENCE = 3.0
"""After so many seconds the terminal is taken for one that does not answer."""


class Outlet:
    """Bytes in order to one terminal. `on_ready` and `on_lost` are called from other threads."""

    def __init__(
        self,
        fileno: int,
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self._fileno = fileno
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._waiting: list[bytes] = []
        self._writing = 0
        self._closed = False
        self._unasked = _ASK_EVERY  # the very first frame asks
        self._asked: deque[tuple[float, int, int]] = deque()
        """When each unanswered question left, behind how many bytes, behind how many others."""
        self._answers = False
        self._awaited = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether what was sent has reached the screen, or all but a little of it."""
        with self._changed:
            if self._answers and self._asked and monotonic() - self._asked[0][0] > PATIENCE:
                self._answers = False
                self._asked.clear()
            self._awaited = not self._drawn()
            return not self._awaited

    def _drawn(self) -> bool:
        if self._writing:
            return False
        rate = self.pace.rate
        most = _UNDER_WAY_AT_FIRST if rate is None else max(_UNDER_WAY_AT_LEAST, rate * _UNDER_WAY)
        return not self._answers or self._under_way() <= most

    def _under_way(self) -> int:
        return sum(size for _, size, _ in self._asked)

    def send(self, text: str, *, ask: bool = False) -> None:
        """Put text on its way; `ask` where it is a frame that the terminal takes time to draw."""
        with self._changed:
            if self._closed:
                return
            data = text.encode(errors="replace")
            if ask:
                self._unasked += len(data)
                if self._unasked >= _ASK_EVERY and len(self._asked) < _UNANSWERED:
                    self._asked.append((monotonic(), len(data), self._under_way()))
                    data += QUESTION.encode()
                    self._unasked = 0
            self._writing += len(data)
            self._waiting.append(data)
            self._changed.notify_all()

    def answered(self) -> None:
        """The terminal answered one question."""
        with self._changed:
            if not self._asked:
                return
            self._answers = True
            when, size, before = self._asked.popleft()
            self.pace.took(before + size, monotonic() - when)
            self._changed.notify_all()
        self._tell()

    def wait(self, most: int, seconds: float) -> None:
        """Wait until no more than `most` bytes are left to write."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._writing <= most, seconds)

    def settle(self, seconds: float) -> None:
        """Wait until all is written and answered: an answer must not reach the next program."""
        with self._changed:
            fresh = bool(self._asked) and monotonic() - self._asked[-1][0] < PATIENCE
            if self._answers or fresh:
                settled = lambda: self._closed or not (self._writing or self._asked)  # noqa: E731
                self._changed.wait_for(settled, seconds)

    def abandon(self) -> None:
        """Write nothing more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._writing = 0
            self._asked.clear()
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Write what is left, if the terminal takes it in time."""
        self.wait(0, seconds)
        self.abandon()
        self._thread.join(0.2)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                data = b"".join(self._waiting)
                self._waiting.clear()
            began = monotonic()
            try:
                self._write(data)
            except OSError:
                self.abandon()
                self._on_lost()
                return
            with self._changed:
                self._writing = max(0, self._writing - len(data))
                if not self._answers:
                    self.pace.took(len(data), monotonic() - began)
                self._changed.notify_all()
            self._tell()

    def _tell(self) -> None:
        """Say that the terminal is ready, if somebody found that it was not."""
        with self._changed:
            told = self._awaited and self._drawn() and not self._closed
            if told:
                self._awaited = False
        if told:
            self._on_ready()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._closed:
            try:
                view = view[os.write(self._fileno, view) :]
            except BlockingIOError:  # another program of this terminal set it so
                select.select([], [self._fileno], [], 0.2)
