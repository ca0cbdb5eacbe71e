"""A real llama-server in a container. On a test machine it must be there; elsewhere it may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.standins.engine_truth import Engine, require_engine


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where model files for the engine lie; it runs as another user."""
    folder = tmp_path_factory.mktemp("engine-models")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def engine(engine_folder: Path) -> Iterator[Engine]:
    require_engine()
    with Engine(engine_folder) as engine:
        yield engine
