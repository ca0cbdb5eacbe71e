"""A real llama-server in a container. On a test machine it must be there; elsewhere it may be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.standins.engine_truth import IMAGE, Engine


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where model files for the engine lie; it runs as another user."""
    folder = tmp_path_factory.mktemp("engine-models")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def engine(engine_folder: Path) -> Iterator[Engine]:
    why = _why_not()
    if why and os.environ.get("CI"):
        pytest.fail(f"{why} On a test machine tests/engine/prepare must have made it.")
    if why:
        pytest.skip(f"{why} tests/engine/prepare makes it.")
    with Engine(engine_folder) as engine:
        yield engine


def _why_not() -> str:
    try:
        found = subprocess.run(
            ["docker", "image", "inspect", IMAGE], capture_output=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return "There is no Docker engine."
    return "" if found.returncode == 0 else f"There is no image {IMAGE}."
