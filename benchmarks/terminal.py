"""What the terminal UI costs: until it is ready, at rest, and from a key to another pane.

The program runs in a terminal that answers; the start beside a bare Textual program in turn, the
panes beside Textual's own output, so that a noisy machine slows both.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median, quantiles

from tests.standins.tiny_model import write_tiny_llama

from benchmarks.row import Row, shown
from benchmarks.seen import HEIGHT, STUDIO, WIDTH, Seen, running

STARTS = 9
BARE = [
    sys.executable,
    "-c",
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Bare(App):\n    def compose(self): yield Static('READY')\nBare().run()",
]
FIRST_PAINT, READY_AFTER, KEY = 0.3, 1.5, 0.04
TAB_BYTES = 8192


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
WRITING, ESCAPE, WRITES_NOT = "Write a message", "\x1b", "i write"
"""Where digits are letters; Esc leaves, after the time in which more could follow it."""
KEYS = (
    ("2", "w time"), ("3", "following"), ("4", WRITING), ("5", "Nothing was measured"),
    ("6", "Install it:|AGENT +HERE"), ("1", "PROFILE"),
)  # fmt: skip
"""Each pane's key, and what is seen on it alone."""


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


def panes(at: Home) -> Iterator[Row]:
    """From a key until another pane is seen, and the bytes of it, with Textual's own output too."""
    (took, sent), (plain_took, plain_sent) = (_turns(at, plain) for plain in ("false", "true"))
    worst, plain_worst = (quantiles(each, n=20)[-1] for each in (took, plain_took))
    yield Row(
        "UI: key to another pane",
        f"p95 {worst * 1000:.1f} ms",
        f"Textual's own output: {plain_worst * 1000:.1f}",
        worst / plain_worst,
        f"{KEY * 1000:.0f} ms",
        worst <= KEY,
    )
    yield Row(
        "UI: a tab switch",
        f"{median(sent):.0f} bytes",
        f"Textual's own output: {median(plain_sent):.0f}",
        median(sent) / median(plain_sent),
        f"{TAB_BYTES:,} bytes",
        median(sent) <= TAB_BYTES,
    )


def _turns(at: Home, plain: str) -> tuple[list[float], list[int]]:
    """Seconds, and bytes, of each change of pane."""
    took, sent = [], []
    with running(STUDIO, **at.environment, LLM_STUDIO_PLAIN_OUTPUT=plain) as seen:
        seen.until(seen.shows(READY))
        seen.watch(1.0)
        for turn in range(10):
            for key, pattern in KEYS:
                before = seen.bytes
                pressed = seen.key(key)
                now = seen.until(seen.shows(pattern)) - pressed
                seen.watch(0.3)
                if turn:  # the first visit makes the pane
                    took.append(now)
                    sent.append(seen.bytes - before)
                if pattern == WRITING:
                    seen.key(ESCAPE)
                    seen.until(seen.shows(WRITES_NOT))
    return took, sent


def measure() -> Iterator[Row]:
    print(f"The terminal UI at {WIDTH}x{HEIGHT}")
    with home() as at:
        with at.ui() as seen:  # it starts the studio
            seen.until(seen.shows(READY))
        yield from started(at)
        yield at_rest(at)
        yield from panes(at)


if __name__ == "__main__":
    sys.exit(shown(measure()))
