"""A program in a terminal that answers: what it shows, when, and what it costs."""

from __future__ import annotations

import contextlib
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
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator

from tests.tui.output.emulator import Terminal

WIDTH, HEIGHT = 120, 40
ANSWERS = {"\x1b[5n": b"\x1b[0n", "\x1b[?2026$p": b"\x1b[?2026;2$y"}
STUDIO = [
    sys.executable,
    "-c",
    "import sys\nfrom llm_studio.settings import load_settings\n"
    "from llm_studio.tui.start import main\nsys.exit(main(load_settings()))",
]
"""The UI of a studio, as `llm-studio` starts it."""


class Seen:
    """A program in a terminal; what it wrote, when, and what it cost."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.bytes = 0
        self.screen = Terminal(WIDTH, HEIGHT, strict=False)
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, **terminal, **environment},
            start_new_session=True,
        )
        os.close(slave)

    def until(self, done: Callable[[], object], seconds: float = 20.0) -> float:
        """When the output was read that made it true."""
        end, read = time.monotonic() + seconds, self.began
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("\n".join(self.screen.lines()))
            if select.select([self._master], [], [], left)[0]:
                read = time.monotonic()
                self._take()
        return read

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                self._take()

    def shows(self, pattern: str) -> Callable[[], object]:
        search = re.compile(pattern).search
        return lambda: search("\n".join(self.screen.lines()))

    def key(self, key: str) -> float:
        now = time.monotonic()
        os.write(self._master, key.encode())
        return now

    def cpu(self) -> float:
        """Seconds of CPU that the program took so far, by the kernel's own clock of it."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def _take(self) -> None:
        data = os.read(self._master, 65_536)
        self.bytes += len(data)
        self.screen.feed(self._decode(data))
        for question in self.screen.other:
            if question in ANSWERS:
                os.write(self._master, ANSWERS[question])
        self.screen.other.clear()

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)


@contextlib.contextmanager
def running(command: list[str], **environment: str) -> Iterator[Seen]:
    seen = Seen(command, **environment)
    try:
        yield seen
    finally:
        seen.close()
