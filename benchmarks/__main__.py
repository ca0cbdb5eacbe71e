"""Runs every benchmark; the exit code is 1 if a goal is missed."""

from __future__ import annotations

import shutil
import subprocess
import sys

from benchmarks import chat, gateway, headers, sampler, speed, startup, storm, studio, terminal

FIT = [sys.executable, "-m", "benchmarks.fit_truth", "--quick"]


def main() -> int:
    failed = 0
    for each in (startup, terminal, headers, sampler, studio, storm, gateway, chat):
        failed += each.main()
        print()
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        failed += subprocess.run(FIT, check=False).returncode
        failed += speed.main()
    else:
        print("Memory estimates against llama-server: left out, there is no Docker engine here.")
        print("(tests/engine/prepare makes one; then: python -m benchmarks.fit_truth)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
