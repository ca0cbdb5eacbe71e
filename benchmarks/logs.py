"""The Logs pane while an engine prints 20,000 lines a second: how old the newest line on the screen
is, what it costs, whether keys are answered, and what the UI weighs once its window is full.

The stand-in for an engine stamps its lines, a real studio reads them, and the real UI shows them in
a terminal; a line is seen when the emulated screen holds it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.row import Row, shown
from benchmarks.seen import STUDIO, Seen, running
from benchmarks.storm import SERVER
from benchmarks.terminal import KEY
from benchmarks.trial import Trial, trial

RATE, SECONDS = 20_000, 15
AGE, CPU, WEIGHT_MIB = 0.1, 0.2, 40
KEY_EVERY = 0.25
_STAMP = re.compile(r"storm line \d+ at (\d+\.\d+)")


def measure() -> Iterator[Row]:
    print(f"The Logs pane at {RATE:,} lines a second for {SECONDS} s")
    with (
        tempfile.TemporaryDirectory() as folder,
        trial(Path(folder) / "home", llama_server=str(SERVER)) as studio,
    ):
        studio.profile("storm", "process")
        studio.start()
        studio.serve("storm")
        own = {key: value for key, value in studio.environment.items() if "LLM_STUDIO" in key}
        with running(STUDIO, **own) as seen:
            seen.until(seen.shows("1 Models"))
            seen.key("3")
            seen.until(seen.shows("following"))
            yield from _measured(studio, seen)


def _measured(studio: Trial, seen: Seen) -> Iterator[Row]:
    seen.watch(1.0)
    before = weight(seen)
    address = studio.status()["engine"]["address"]
    storm = f"{address}/storm?rate={RATE}&seconds={SECONDS}"
    urllib.request.urlopen(storm, timeout=10).close()
    seen.until(seen.shows("storm line"))
    cpu, begun = seen.cpu(), time.monotonic()
    age = quantiles(ages(seen, SECONDS / 2), n=20)[-1]
    share = (seen.cpu() - cpu) / (time.monotonic() - begun)
    key = quantiles(keys(seen, SECONDS / 3), n=20)[-1]
    seen.until(seen.shows("storm over"))
    seen.watch(1.0)
    after = weight(seen)
    what = f"UI: {RATE:,} log lines/s"
    yield Row(
        f"{what}, newest line",
        f"p95 {age * 1000:.0f} ms old",
        goal=f"{AGE * 1000:.0f} ms",
        reached=age <= AGE,
    )
    yield Row(f"{what}, CPU", f"{share:.1%} of a core", goal=f"{CPU:.0%}", reached=share <= CPU)
    yield Row(
        f"{what}, a key",
        f"p95 {key * 1000:.0f} ms",
        goal=f"{KEY * 1000:.0f} ms",
        reached=key <= KEY,
    )
    yield Row(
        f"UI: {RATE * SECONDS:,} log lines later",
        f"{after - before:+.0f} MiB",
        f"before: {before:.0f} MiB",
        after / before,
        f"+{WEIGHT_MIB} MiB",
        after - before <= WEIGHT_MIB,
    )


def ages(seen: Seen, seconds: float) -> list[float]:
    """How old the newest line is, whenever there is a newer one on the screen."""
    newest = 0.0

    def newer() -> bool:
        nonlocal newest
        stamps = map(float, _STAMP.findall("\n".join(seen.screen.lines())))
        before, newest = newest, max(stamps, default=0.0)
        return newest > before

    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen.until(newer)
        found.append(time.time() - newest)
    return found


def keys(seen: Seen, seconds: float) -> list[float]:
    """Seconds until a key that opens or closes the search field has done so."""
    is_open = seen.shows(r"Search \(regular")
    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pressed = seen.key("/")
        found.append(seen.until(is_open) - pressed)
        seen.watch(KEY_EVERY)
        pressed = seen.key("\r")
        found.append(seen.until(lambda: not is_open()) - pressed)
        seen.watch(KEY_EVERY)
    return found


def weight(seen: Seen) -> float:
    """What the UI has in memory alone, and its part of what it shares, in MiB."""
    return float(psutil.Process(seen.process.pid).memory_full_info().pss) / 2**20


if __name__ == "__main__":
    sys.exit(shown(measure()))
