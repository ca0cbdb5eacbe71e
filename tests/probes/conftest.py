from __future__ import annotations

from pathlib import Path

import pytest
from tests.standins.nvml import FakeDriver


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def driver(tmp_path: Path) -> FakeDriver:
    """One GPU, until the test says otherwise."""
    return FakeDriver(tmp_path / "driver")
