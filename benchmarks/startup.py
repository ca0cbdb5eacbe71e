"""How long commands take to start, as a ratio to a bare Python that imports argparse.

The two are run in turn, so that a noisy machine slows both; the medians are compared.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.row import Row, shown
from benchmarks.trial import PROGRAM, Trial, seconds

RUNS = 21
GOAL = 1.6
BARE = [sys.executable, "-c", "import argparse"]
COMMANDS = {
    "--help": [PROGRAM, "--help"],
    "--version": [PROGRAM, "--version"],
    "list": [PROGRAM, "list"],
}


def measure() -> Iterator[Row]:
    print(f"Start-up, medians of {RUNS} runs in turn with `python -c 'import argparse'`")
    with tempfile.TemporaryDirectory() as folder:
        environment = Trial(Path(folder) / "home").environment
        for name, command in COMMANDS.items():
            seconds(command, environment)
            pairs = [
                (seconds(BARE, environment), seconds(command, environment)) for _ in range(RUNS)
            ]
            bare, ours = (median(each) for each in zip(*pairs, strict=True))
            row = Row(
                f"llm-studio {name}",
                f"{ours * 1000:.1f} ms",
                f"Python with argparse: {bare * 1000:.1f} ms",
                ours / bare,
            )
            if name == "--help":
                row = replace(row, goal=f"×{GOAL:g}", reached=ours / bare <= GOAL)
            yield row


if __name__ == "__main__":
    sys.exit(shown(measure()))
