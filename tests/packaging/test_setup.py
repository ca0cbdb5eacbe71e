"""Setting up a checkout: who runs the program gets the program, and is told what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("goal", "tools"), [("run", False), ("lint", True), ("test", True)])
def test_tools_for_tests_are_for_those_who_test(tmp_path: Path, goal: str, tools: bool) -> None:
    command = ["make", "--dry-run", goal, f"VENV={tmp_path}/none"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "setup.sh\n" in told
    assert ("setup.sh dev\n" in told) is tools


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _set_up(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    """On a system without apt, with a uv that makes an environment whose Python does as it says."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in ("sh", "grep", "mkdir", "cp", "id"):
        (bin_ / name).symlink_to(shutil.which(name) or name)
    _program(tmp_path / "python", python)
    venv = tmp_path / "venv"
    _program(bin_ / "uv", f"mkdir -p {venv}/bin && cp {tmp_path}/python {venv}/bin/python")
    return subprocess.run(
        ["sh", str(ROOT / "setup.sh")], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": str(bin_), "VENV": str(venv), "PYTHON": f"{tmp_path}/python"},
    )  # fmt: skip


def test_a_missing_library_is_named_and_is_no_end(tmp_path: Path) -> None:
    """Docker or a llama-server of one's own serve without it."""
    done = _set_up(tmp_path, "echo 'ImportError: libgomp.so.1: cannot open' >&2; exit 1")
    assert done.returncode == 0
    assert "apt-get install libgomp1" in done.stderr


def test_nothing_is_said_of_a_library_that_is_there(tmp_path: Path) -> None:
    done = _set_up(tmp_path, "exit 0")
    assert (done.returncode, "libgomp" in done.stderr) == (0, False)
