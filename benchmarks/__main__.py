"""Runs every benchmark, and ends with one table; the exit code is 1 if a goal is missed."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import psutil

from benchmarks import (
    chat,
    gateway,
    headers,
    logs,
    monitor,
    sampler,
    speed,
    startup,
    storm,
    studio,
    terminal,
)
from benchmarks.row import Row, as_markdown, as_text, told
from benchmarks.trial import docker_here
from llm_studio import __version__

ROOT = Path(__file__).parents[1]
SUITES = (startup, terminal, monitor, logs, headers, sampler, studio, storm, gateway, chat)
SHOWN = (
    "llm-studio --help", "llm-studio status", "UI: first paint", "UI: ready", "UI: key to",
    "UI: the Monitor pane", "UI: 20,000 log lines/s, newest", "headers of",
    "sampling 8", "a switch", "gateway: first token", "gateway: 16 streams, small",
    "50,000 lines/s, process: status", "chat at 150 tok/s: to",
)  # fmt: skip
"""What the README shows of it."""
FIT = [sys.executable, "-m", "benchmarks.fit_truth", "--quick"]
PAGE = """\
# How fast it is

Written by `python -m benchmarks --write`; `make bench` measures anew. Each figure stands beside its
yardstick in the same run: the absolute ones move with the machine and with what else it does, the
ratios hold better. A goal that was missed says so.

{machine}

{table}

What is compared with what, and how, is told at the top of each module in `benchmarks/`.
"""


def with_figures(readme: str, rows: Sequence[Row]) -> str:
    """The README with these figures in the place of those that it shows."""
    best = [row for what in SHOWN for row in rows if row.goal and row.what.startswith(what)]
    begin, heading, rest = readme.partition("\n## How fast\n")
    rest = re.sub(r"(?:^\|.*\n)+", lambda _: as_markdown(best) + "\n", rest, count=1, flags=re.M)
    return begin + heading + rest


def measured() -> Iterator[Row]:
    for suite in SUITES:
        yield from told(_whatever_happens(suite))
        print()
    if docker_here(speed.IMAGE):
        yield from told(_whatever_happens(speed))
        print("\nMemory estimates against llama-server")
        missed = subprocess.run(FIT, check=False).returncode
        figure = "beyond 3 %" if missed else "within 3 %"
        beside = "what llama-server asks for"
        yield Row("memory estimates (quick)", figure, beside, None, "3 %", not missed)
    else:
        print(
            f"Bench and memory estimates: left out, there is no Docker engine with {speed.IMAGE}."
        )
        print("(tests/engine/prepare makes one; then: python -m benchmarks.fit_truth)")


def _whatever_happens(suite: ModuleType) -> Iterator[Row]:
    """One that breaks takes none of the others with it."""
    try:
        yield from suite.measure()
    except Exception:
        traceback.print_exc()
        name = suite.__name__.rpartition(".")[2]
        yield Row(name, "broke off", goal="measured", reached=False)


def machine() -> str:
    """What it is measured on, and when; to be asked before it is busy with this."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%d %B %Y')}, llm-studio {__version__}: {_processor()}, "
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; load before it began {load:.1f}."
    )


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "an unknown processor"
    names = [line.partition(":")[2].strip() for line in told.splitlines() if "model name" in line]
    return names[0] if names else "an unknown processor"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="into docs/performance.md and README.md too"
    )
    options = parser.parse_args()
    here = machine()
    rows = list(measured())
    print(f"\n{here}\n\n{as_text(rows)}")
    if options.write:
        (ROOT / "docs/performance.md").write_text(
            PAGE.format(machine=here, table=as_markdown(rows))
        )
        readme = ROOT / "README.md"
        readme.write_text(with_figures(readme.read_text(), rows))
    return int(not all(row.reached for row in rows))


if __name__ == "__main__":
    sys.exit(main())
