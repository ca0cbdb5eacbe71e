"""How long commands take to start, as a ratio to a bare Python that imports argparse.

The two are run in turn, so that a noisy machine slows both; the medians are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

RUNS = 21
GOAL = 1.6
BARE = [sys.executable, "-c", "import argparse"]
PROGRAM = str(Path(sys.executable).with_name("llm-studio"))
COMMANDS = {
    "--help": [PROGRAM, "--help"],
    "--version": [PROGRAM, "--version"],
    "list": [PROGRAM, "list"],
}


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> int:
    print(f"Start-up, medians of {RUNS} runs in turn with `python -c 'import argparse'`")
    missed = 0
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "LLM_STUDIO_HOME": home, "LLM_STUDIO_CACHES": "off"}
        for name, command in COMMANDS.items():
            seconds(command, environment)
            pairs = [
                (seconds(BARE, environment), seconds(command, environment)) for _ in range(RUNS)
            ]
            bare, ours = (median(each) for each in zip(*pairs, strict=True))
            ratio = ours / bare
            goal = ""
            if name == "--help":
                goal = f"  goal x{GOAL}: {'reached' if ratio <= GOAL else 'MISSED'}"
                missed = int(ratio > GOAL)
            told = f"{ours * 1000:6.1f} ms  bare {bare * 1000:5.1f} ms"
            print(f"  {name:<10} {told}  x{ratio:.2f}{goal}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
