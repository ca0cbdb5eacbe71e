from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.tui.scripted_studio import ScriptedStudio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _same_everywhere(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the screen depends on (the host's name, the time of day, the terminal) never differs."""
    monkeypatch.setattr("socket.gethostname", lambda: "workstation")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
async def studio(home: Home, tmp_path: Path) -> AsyncIterator[ScriptedStudio]:
    studio = ScriptedStudio(home.state / "studio.sock")
    await studio.open()
    yield studio
    await studio.close()
