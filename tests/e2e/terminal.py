"""The program in a terminal: what a user types, and what they see."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import pyte

LIMIT = 30.0
_KITTY = re.compile(r"\x1b\[[<>=?]\d*(?:;\d+)*u")
"""Asks for a keyboard protocol that pyte does not know, and would print."""
UP, DOWN, ESCAPE, ENTER, CTRL_Z = "\x1b[A", "\x1b[B", "\x1b", "\r", "\x1a"


class Terminal:
    """A terminal with the program in it."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *words: str,
        columns: int = 100,
        rows: int = 30,
        before: str = "",
        shell: bool = False,
    ) -> None:
        self._pyte = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._pyte)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.received = b""
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        program = f"{sys.executable} -m llm_studio {' '.join(words)}"
        command = f"{before} exec {program}"
        if shell:  # that can be gone back to, with Ctrl+Z, until Enter is pressed
            command = f"{before} set -m; {program}; echo IN THE SHELL; read go; fg"
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def resize(self, columns: int, rows: int) -> None:
        self._pyte.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.master, key.encode())
            if key == ESCAPE:
                self._take(0.2)  # or it would be taken for the begin of another key

    def insist(self, key: str, what: str | Callable[[], object], *, every: float = 3.0) -> None:
        """Press a key until it does something: some programs draw before they listen."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.press(key)
            with suppress(AssertionError):
                self.until(what, every)
                return
        self.until(what, 0)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._pyte.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, what: str | Callable[[], object], limit: float = LIMIT) -> None:
        end = time.monotonic() + limit
        while not (what in self.text if isinstance(what, str) else what()):
            assert time.monotonic() < end, f"{what!r} did not come about:\n{self.text}"
            self._take(0.05)

    def wait(self) -> int:
        """Its exit code, once it is over."""
        self.until(lambda: self.process.poll() is not None)
        return self.process.wait()

    def lose(self) -> None:
        """The terminal is gone, as when a link drops."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)

    def _take(self, seconds: float) -> None:
        if self.master < 0 or not select.select([self.master], [], [], seconds)[0]:
            return
        with suppress(OSError):
            data = os.read(self.master, 65536)
            self.received += data
            self._stream.feed(_KITTY.sub("", self._decode(data)))
