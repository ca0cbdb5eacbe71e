"""How long commands take to start, as a ratio to a bare Python that imports argparse.

The two are run in turn, so that a noisy machine slows both; the medians are compared.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.trial import PROGRAM, Trial, seconds, told

RUNS = 21
GOAL = 1.6
BARE = [sys.executable, "-c", "import argparse"]
COMMANDS = {
    "--help": [PROGRAM, "--help"],
    "--version": [PROGRAM, "--version"],
    "list": [PROGRAM, "list"],
}


def main() -> int:
    print(f"Start-up, medians of {RUNS} runs in turn with `python -c 'import argparse'`")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = Trial(Path(folder) / "home").environment
        for name, command in COMMANDS.items():
            seconds(command, environment)
            pairs = [
                (seconds(BARE, environment), seconds(command, environment)) for _ in range(RUNS)
            ]
            bare, ours = (median(each) for each in zip(*pairs, strict=True))
            ratio = ours / bare
            goal = ""
            if name == "--help":
                goal = f"  {told(ratio <= GOAL, f'x{GOAL}')}"
                missed = int(ratio > GOAL)
            figures = f"{ours * 1000:6.1f} ms  bare {bare * 1000:5.1f} ms"
            print(f"  {name:<10} {figures}  x{ratio:.2f}{goal}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
