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
from pathlib import Path
from statistics import median, quantiles

from tests.standins.tiny_model import write_tiny_llama
from tests.tui.output.emulator import Terminal

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


def compared(
    name: str, measure: Callable[..., tuple[float, float]], units: tuple[str, str]
) -> tuple[float, float]:
    """Tell the medians with the layer and without it; those with it are returned."""
    pairs = [(measure(), measure("plain")) for _ in range(ROUNDS)]
    ours = tuple(median(ours[at] for ours, _ in pairs) for at in (0, 1))
    for at, unit in enumerate(units):
        plain = median(plain[at] for _, plain in pairs)
        factor = 1 if unit.startswith("bytes") else 1000 if unit.startswith("ms") else 100
        told = f"{ours[at] * factor:9.1f}  Textual's own {plain * factor:9.1f} {unit}"
        print(f"  {name:<16} {told:<52} x{ours[at] / plain:.2f}")
    return ours[0], ours[1]


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


def started(at: Home) -> tuple[float, float]:
    """When the UI paints first and when it shows what the studio tells, as shares of the first
    paint of a bare Textual program."""
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
    for name, took, ratio in zip(("first paint", "ready"), ours, ratios, strict=True):
        told = f"{took:9.1f}  bare Textual {bare:9.1f} ms"
        print(f"  {name:<16} {told:<52} x{ratio:.2f}")
    return ratios[0], ratios[1]


def at_rest(at: Home) -> float:
    """Bytes a second on Models, while nothing happens."""
    with at.ui() as seen:
        seen.until(seen.shows(READY))
        seen.watch(3.0)
        sent, cpu = seen.bytes, seen.cpu()
        seen.watch(6.0)
        idle, busy = (seen.bytes - sent) / 6, (seen.cpu() - cpu) / 6
    print(f"  {'models at rest':<16} {idle:9.1f} bytes/s {busy * 100:9.2f} % CPU")
    return idle


def panes(at: Home) -> float:
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
    told = f"{median(took) * 1000:9.1f} ms, p95 {worst * 1000:.1f} ms, {median(sent):.0f} bytes"
    print(f"  {'pane to pane':<16} {told}")
    return worst


def main() -> int:
    print(f"The terminal UI at {WIDTH}x{HEIGHT}, medians of {ROUNDS} rounds in turn")
    missed = []
    with home() as at:
        with at.ui() as seen:  # it starts the studio
            seen.until(seen.shows(READY))
        paint, ready = started(at)
        if paint > FIRST_PAINT:
            missed.append(f"first paint within {FIRST_PAINT} of a bare Textual program")
        if ready > READY_AFTER:
            missed.append(f"ready within {READY_AFTER} of a bare Textual program")
        if at_rest(at):
            missed.append("nothing sent while nothing changes")
        if panes(at) > SWITCH:
            missed.append(f"a pane seen within {SWITCH * 1000:.0f} ms at p95")
    idle, _ = compared("monitor, 2 GPUs", monitor, ("bytes/s", "% CPU"))
    if idle > IDLE_BYTES:
        missed.append(f"monitor within {IDLE_BYTES} bytes/s")
    sent, _ = compared("tab switch", switching, ("bytes", "ms p95"))
    if sent > TAB_BYTES:
        missed.append(f"tab switch within {TAB_BYTES} bytes")
    compared("5,000 lines/s", flood, ("bytes/s", "% CPU"))
    for goal in missed:
        print(f"  MISSED: {goal}")
    return len(missed)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
