"""The Monitor pane with two GPUs whose every reading changes each second: bytes, and CPU.

The GPUs are those of a stand-in for NVIDIA's library; the studio that samples them, the UI and its
terminal are real. Textual's own output is measured beside it, in turn.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.standins.nvml import FakeDriver

from benchmarks.row import Row, shown
from benchmarks.seen import STUDIO, Seen, running
from benchmarks.trial import trial

SECONDS, ROUNDS = 8, 2
CPU, IDLE_BYTES = 0.02, 1024
_SIZES = "set memory_total 25769803776"


def measure() -> Iterator[Row]:
    if shutil.which("cc") is None:
        print("Monitor: left out, there is no C compiler for the stand-in of NVIDIA's library.")
        return
    print("The Monitor pane with two GPUs at 1 Hz")
    with tempfile.TemporaryDirectory() as folder, trial(Path(folder) / "home") as studio:
        driver = FakeDriver(Path(folder) / "driver")
        work(driver, 0)
        studio.environment |= driver.environment
        studio.start()
        own = {key: value for key, value in studio.environment.items() if "LLM_STUDIO" in key}
        found = []
        for _ in range(ROUNDS):
            for plain in ("false", "true"):
                with running(STUDIO, **own, LLM_STUDIO_PLAIN_OUTPUT=plain) as seen:
                    found.append(looked_at(seen, driver))
    (sent, cpu), (plain_sent, plain_cpu) = (
        [median(part) for part in zip(*found[side::2], strict=True)] for side in (0, 1)
    )
    yield Row(
        "UI: the Monitor pane",
        f"{sent:.0f} bytes/s",
        f"Textual's own output: {plain_sent:.0f}",
        sent / plain_sent,
        f"{IDLE_BYTES:,} bytes/s",
        sent <= IDLE_BYTES,
    )
    yield Row(
        "UI: the Monitor pane, CPU",
        f"{cpu:.1%} of a core",
        f"Textual's own output: {plain_cpu:.1%}",
        cpu / plain_cpu,
        f"{CPU:.0%}",
        cpu <= CPU,
    )


def looked_at(seen: Seen, driver: FakeDriver) -> tuple[float, float]:
    """Bytes and seconds of CPU in a second, while the GPUs work."""
    seen.until(seen.shows("1 Models"))
    seen.key("2")
    seen.until(seen.shows("GPU 1"))
    for second in range(3):
        work(driver, second)
        seen.watch(1.0)
    sent, cpu, begun = seen.bytes, seen.cpu(), time.monotonic()
    for second in range(3, SECONDS + 3):
        work(driver, second)
        seen.watch(1.0)
    took = time.monotonic() - begun
    return (seen.bytes - sent) / took, (seen.cpu() - cpu) / took


def work(driver: FakeDriver, second: int) -> None:
    """What the GPUs say from now on."""
    lines = ["count 2", _SIZES]
    for gpu in (0, 1):
        wave = math.sin((second + gpu) * 1.3)
        lines += [
            f"set memory_used {int((12 + wave) * 2**30)} {gpu}",
            f"set utilisation {60 + int(wave * 30)} {gpu}",
            f"set temperature {62 + int(wave * 5)} {gpu}",
            f"set power {280000 + int(wave * 90000)} {gpu}",
            f"set clock {2100 + int(wave * 200)} {gpu}",
        ]
    driver.say(*lines)


if __name__ == "__main__":
    sys.exit(shown(measure()))
