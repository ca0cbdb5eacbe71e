"""The Agents pane: what is here, what runs, what it came to; and how it is launched."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.tui.looking import opened
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.tui.panes.agents.launch import agents_here, window_command

pytestmark = pytest.mark.anyio


def agent(id_: str, **values: Any) -> dict[str, Any]:
    return {
        "id": id_, "title": id_.title(), "possible": True, "launched": True, "installed": True,
        "path": f"/bin/{id_}", "version": "1.2.3", "tested": "1.2.3", "old": False,
        "install": f"get {id_}", "note": "", "fence": "bubblewrap", "unfenced": "", **values,
    }  # fmt: skip


def session(**values: Any) -> dict[str, Any]:
    return {
        "id": "ab12", "agent": "claude", "directory": "/src/project", "profile": "coder",
        "context": 65536, "protection": "bubblewrap", "started": time.time() - 120, "ended": None,
        "alive": True, "activity": "answering", "requests": 3, "prompt_tokens": 40000,
        "cached_tokens": 30000, "generated_tokens": 500, "last": None,
        "summary": "3 requests, 40,000 tokens read", "advice": ["Give it more context."], **values,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _agents(studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    here = [
        agent("claude"), agent("codex", installed=False, version="", fence=""),
        agent("zed", launched=False, fence="", installed=False, note="It is an editor."),
        agent("gemini", possible=False, installed=False, fence="",
              note="It speaks Google's API alone."),
    ]  # fmt: skip
    monkeypatch.setattr(
        "llm_studio.tui.panes.agents.pane.agents_here", AsyncMock(return_value=here)
    )
    studio.answers["/agents/sessions"] = [session()]


async def test_agents_and_their_sessions_are_listed(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("6")
        await look.until("answering")
        for word in ("1.2.3", "not installed", "by hand", "cannot", "40,500", "75%"):
            assert word in look.text, word
        assert "Give it more context." in look.text
        assert "/src/project" in look.text


@pytest.mark.parametrize(
    ("fence", "why", "told"),
    [
        ("bubblewrap", "", "A fence is put around it"),
        ("container", "", "It runs in a container"),
        ("own", "bubblewrap is not installed.", "Its own sandbox"),
        ("none", "bubblewrap is not installed.", "There is no fence"),
    ],
)
async def test_the_fence_is_told_before_a_launch(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch, fence: str, why: str, told: str
) -> None:
    here = AsyncMock(return_value=[agent("claude", fence=fence, unfenced=why)])
    monkeypatch.setattr("llm_studio.tui.panes.agents.pane.agents_here", here)
    studio.answers["/agents/sessions"] = []
    async with opened(studio) as look:
        await look.press("6")
        await look.until(told)
        assert why in look.text
        await look.press("enter")
        await look.until(f"In which folder? {told}")


async def test_what_cannot_be_launched_says_why(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("6")
        await look.until("answering")
        await look.press("down", "enter")
        await look.until("get codex")
        await look.press("escape", "down", "down", "e")
        await look.until("It speaks Google's API alone.")


async def test_a_folder_that_is_none_is_told(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("6")
        await look.until("answering")
        await look.press("enter")
        await look.until("In which folder?")
        assert "/src/project" in look.text
        look.fill("/src/none")  # so short that what is told fits a line, wherever tests run
        await look.press("enter")
        await look.until("is no folder")


async def test_what_is_installed_is_what_this_terminal_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "goose"
    program.write_text("#!/bin/sh\necho goose 9.8.7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = {each["id"]: each for each in await agents_here()}
    assert (found["goose"]["installed"], found["goose"]["version"]) == (True, "9.8.7")


async def test_nothing_looks_on_for_a_terminal_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "told")
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/told\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(slow))
    looking = asyncio.create_task(agents_here())
    pid = int(await asyncio.to_thread((tmp_path / "told").read_text))
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_window_of_tmux_gets_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_STUDIO_HOME", "/my home")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    words = window_command("claude", Path("/src"))
    assert "LLM_STUDIO_HOME=/my home" in words
    assert "secret" not in " ".join(words)
    assert words[words.index("-c") + 1] == "/src"
