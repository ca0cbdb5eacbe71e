"""Whether code can be run in the sandbox's container here."""

from __future__ import annotations

import os
import subprocess

import pytest

from llm_studio.bench.sandbox.container import IMAGE


def require_sandbox() -> None:
    """On a test machine it must be there; elsewhere a test is skipped without it."""
    try:
        found = subprocess.run(
            ["docker", "image", "inspect", IMAGE], capture_output=True, check=False, timeout=30
        )
        why = "" if found.returncode == 0 else f"There is no image {IMAGE}."
    except (OSError, subprocess.TimeoutExpired):
        why = "There is no Docker."
    if why and os.environ.get("CI"):
        pytest.fail(f"{why} On a test machine tests/engine/prepare must have made it.")
    if why:
        pytest.skip(f"{why} tests/engine/prepare makes it.")
