"""What the terminal UI costs: start, bytes to the terminal, keys, CPU; as ratios in one run.

Each measurement runs the program in a terminal that answers, with the layer that sends changed
cells only and with Textual's own output in turn, so that a noisy machine slows both.
"""

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
import tempfile
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from tests.standins.tiny_model import write_tiny_llama
from tests.tui.output.emulator import Terminal

from benchmarks.row import Row, shown

ROUNDS = 3
STARTS = 9
WIDTH, HEIGHT = 120, 40
ANSWERS = {"\x1b[5n": b"\x1b[0n", "\x1b[?2026$p": b"\x1b[?2026;2$y"}
APP = [sys.executable, "-m", "benchmarks.terminal_app"]
BARE = [
    sys.executable,
    "-c",
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Bare(App):\n    def compose(self): yield Static('READY')\nBare().run()",
]
STUDIO = [
    sys.executable,
    "-c",
    "import sys\nfrom llm_studio.settings import load_settings\n"
    "from llm_studio.tui.start import main\nsys.exit(main(load_settings()))",
]
FIRST_PAINT, READY_AFTER, SWITCH = 0.3, 1.5, 0.04
IDLE_BYTES, TAB_BYTES = 1024, 8192


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


def first_paint(command: list[str], pattern: str, **environment: str) -> float:
    with running(command, **environment) as seen:
        return seen.until(seen.shows(pattern)) - seen.began


def monitor(*words: str) -> tuple[float, float]:
    """Bytes and CPU a second, with two GPUs that change once a second."""
    with running([*APP, "monitor", *words]) as seen:
        seen.until(seen.shows(r"GPU 1 .* W"))
        seen.watch(1.5)
        sent, cpu = seen.bytes, seen.cpu()
        seen.watch(5.0)
        return (seen.bytes - sent) / 5, (seen.cpu() - cpu) / 5


def switching(*words: str) -> tuple[float, float]:
    """Bytes of a tab switch, and the p95 of the time until it is seen."""
    with running([*APP, "models", *words]) as seen:
        seen.until(seen.shows("profile-5 "))
        seen.watch(0.6)
        sent, took = [], []
        for _ in range(6):
            for key, pattern in (("2", "GPU 1"), ("1", "profile-5 ")):
                before = seen.bytes
                pressed = seen.key(key)
                took.append(seen.until(seen.shows(pattern)) - pressed)
                seen.watch(0.35)
                sent.append(seen.bytes - before)
        return median(sent), quantiles(took, n=20)[-1]


def flood(*words: str) -> tuple[float, float]:
    """Bytes and CPU a second, while the log takes 5,000 lines a second."""
    with running([*APP, "logs", *words]) as seen:
        seen.until(seen.shows("n_past"))
        sent, cpu, began = seen.bytes, seen.cpu(), time.monotonic()
        seen.watch(3.0)
        return (seen.bytes - sent) / 3, (seen.cpu() - cpu) / (time.monotonic() - began)


Measure = Callable[..., tuple[float, float]]


def compared(what: str, measure: Measure, units: tuple[str, str]) -> Iterator[tuple[Row, float]]:
    """The medians with the layer and without it, in turn; and those with it as numbers."""
    pairs = [(measure(), measure("plain")) for _ in range(ROUNDS)]
    for at, unit in enumerate(units):
        ours, plain = (median(each[side][at] for each in pairs) for side in (0, 1))
        factor = 1 if unit.startswith("bytes") else 1000 if unit.startswith("ms") else 100
        figure = f"{ours * factor:.1f} {unit}"
        beside = f"Textual's own output: {plain * factor:.1f}"
        yield Row(what, figure, beside, ours / plain), ours


class Home:
    """A home of its own with a studio that runs, and a model that could be served."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "LLM_STUDIO_HOME": str(folder),
            "LLM_STUDIO_GATEWAY_PORT": "0",
            "LLM_STUDIO_API_PORT": "0",
            "LLM_STUDIO_CACHES": "off",
        }
        (folder / "models").mkdir()
        write_tiny_llama(folder / "models/tiny.gguf")
        (folder / "profiles").mkdir()
        (folder / "profiles/tiny.toml").write_text('name = "Tiny"\n[model]\nfile = "tiny.gguf"\n')

    def ui(self) -> AbstractContextManager[Seen]:
        return running(STUDIO, **self.environment)

    def shutdown(self) -> None:
        environment = {**os.environ, **self.environment}
        command = [sys.executable, "-m", "llm_studio", "shutdown"]
        subprocess.run(command, env=environment, capture_output=True, check=False)


READY = r"stopped[^\n]*\n(?:.*\n)+?.*PROFILE(?:.*\n)+?.* tiny "
"""What the studio told: the state in the header, the profiles in the table."""


@contextlib.contextmanager
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        made = Home(Path(folder))
        try:
            yield made
        finally:
            made.shutdown()


def started(at: Home) -> Iterator[Row]:
    """When the UI paints first and when it shows what the studio tells, beside the first paint of
    a bare Textual program."""
    rounds = []
    for _ in range(STARTS):
        with running(BARE) as bare:
            yardstick = bare.until(bare.shows("READY")) - bare.began
        with at.ui() as seen:
            paint = seen.until(seen.shows("1 Models")) - seen.began
            ready = seen.until(seen.shows(READY)) - seen.began
        rounds.append((yardstick, paint, ready))
    bare, *ours = (median(each) * 1000 for each in zip(*rounds, strict=True))
    ratios = [median(each[at] / each[0] for each in rounds) for at in (1, 2)]
    goals = (("UI: first paint", FIRST_PAINT), ("UI: ready with live data", READY_AFTER))
    for (what, goal), took, ratio in zip(goals, ours, ratios, strict=True):
        beside = f"bare Textual: {bare:.0f} ms"
        yield Row(what, f"{took:.0f} ms", beside, ratio, f"×{goal:g}", ratio <= goal)


def at_rest(at: Home) -> Row:
    """Bytes a second on Models, while nothing happens."""
    with at.ui() as seen:
        seen.until(seen.shows(READY))
        seen.watch(3.0)
        sent, cpu = seen.bytes, seen.cpu()
        seen.watch(6.0)
        idle, busy = (seen.bytes - sent) / 6, (seen.cpu() - cpu) / 6
    figure = f"{idle:.1f} bytes/s, {busy:.2%} of a core"
    return Row("UI: Models at rest", figure, goal="0 bytes/s", reached=not idle)


def panes(at: Home) -> Row:
    """The p95 of the time until another pane is seen, in seconds."""
    took, sent = [], []
    with at.ui() as seen:
        seen.until(seen.shows(READY))
        seen.watch(1.0)
        for turn in range(10):
            for key, pattern in (("2", "w time"), ("3", "following"), ("1", "PROFILE")):
                before = seen.bytes
                pressed = seen.key(key)
                now = seen.until(seen.shows(pattern)) - pressed
                seen.watch(0.3)
                if turn:  # the first visit makes the pane
                    took.append(now)
                    sent.append(seen.bytes - before)
    worst = quantiles(took, n=20)[-1]
    figure = f"p95 {worst * 1000:.1f} ms, {median(sent):.0f} bytes"
    goal = f"{SWITCH * 1000:.0f} ms"
    return Row("UI: key to another pane", figure, goal=goal, reached=worst <= SWITCH)


def measure() -> Iterator[Row]:
    print(f"The terminal UI at {WIDTH}x{HEIGHT}, medians of {ROUNDS} rounds in turn")
    with home() as at:
        with at.ui() as seen:  # it starts the studio
            seen.until(seen.shows(READY))
        yield from started(at)
        yield at_rest(at)
        yield panes(at)
    for what, measured, units, most in (
        ("UI: Monitor, 2 GPUs at 1 Hz", monitor, ("bytes/s", "% of a core"), IDLE_BYTES),
        ("UI: a tab switch", switching, ("bytes", "ms at p95"), TAB_BYTES),
        ("UI: 5,000 log lines/s", flood, ("bytes/s", "% of a core"), 0),
    ):
        for row, ours in compared(what, measured, units):
            if most and row.figure.endswith(units[0]):
                row = replace(row, goal=f"{most:,} {units[0]}", reached=ours <= most)
            yield row


if __name__ == "__main__":
    sys.exit(shown(measure()))
