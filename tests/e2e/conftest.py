"""A user for each test, and both engines where a test is for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.user import User
from tests.standins.engine_truth import require_engine

BOTH = [
    pytest.param("process", id="process"),
    pytest.param("docker", id="docker", marks=pytest.mark.engine),
]
"""For tests of what holds whichever engine serves: `@pytest.mark.parametrize("kind", BOTH)`."""


@pytest.fixture
def kind() -> str:
    return "process"


@pytest.fixture
def user(tmp_path: Path, kind: str) -> Iterator[User]:
    if kind == "docker":
        require_engine()
    user = User(tmp_path / "home", kind)
    yield user
    user.close()
