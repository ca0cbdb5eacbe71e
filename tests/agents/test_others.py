"""Other agents for real, where they are installed: `npm install -g @openai/codex opencode-ai
@qwen-code/qwen-code`, `pip install aider-chat` in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.agents.conftest import AgentUser
from tests.standins.scripted_model import ScriptedModel


@pytest.fixture
def others(agent_user: AgentUser) -> AgentUser:
    agent_user.user.environment["PATH"] += os.pathsep + os.environ["PATH"]
    agent_user.user.serve()
    agent_user.user.up("scripted")
    return agent_user


def _require(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return Path(found)


def test_codex_works_in_the_project_and_nowhere_else(
    others: AgentUser, model: ScriptedModel
) -> None:
    _require("codex")
    outside = others.user.home / "outside.txt"
    command = f"echo made > made.txt; echo x > {outside}"
    code, out, err = others.run(
        "agent", "run", "codex", "exec", "--skip-git-repo-check",
        f'call exec_command {{"cmd":"{command}"}}',
    )  # fmt: skip
    assert code == 0, err
    assert "RESULT" in out
    assert (others.project / "made.txt").read_text() == "made\n"
    assert not outside.exists()
    assert {each.path for each in model.inferences()} == {"/v1/responses"}
    (session,) = others.sessions()
    assert (session["agent"], session["requests"]) == ("codex", 2)
    assert "1 answer that called tools" in err


def test_opencode_asks_the_model_that_is_served(others: AgentUser, model: ScriptedModel) -> None:
    _require("opencode")
    (others.project / "notes.txt").write_text("what it says")
    path = others.project / "notes.txt"
    code, out, err = others.run(
        "agent", "run", "opencode", "run", f'call read {{"filePath":"{path}"}}'
    )
    assert code == 0, err
    assert "what it says" in out
    assert {each.path for each in model.inferences()} == {"/v1/chat/completions"}


def test_qwen_code_works_in_the_project_and_nowhere_else(
    others: AgentUser, model: ScriptedModel
) -> None:
    _require("qwen")
    outside = others.user.home / "outside.txt"
    call = {"command": f"echo made > made.txt; echo x > {outside}", "is_background": False}
    code, out, err = others.run(
        "agent", "run", "qwen", "-p", f"call run_shell_command {json.dumps(call)}",
        "--approval-mode", "yolo",
    )  # fmt: skip
    assert code == 0, err
    assert "RESULT" in out
    assert (others.project / "made.txt").read_text() == "made\n"
    assert not outside.exists()
    assert {each.path for each in model.inferences()} == {"/v1/chat/completions"}
    assert "1 answer that called tools" in err


def test_aider_asks_the_model_that_is_served(others: AgentUser, model: ScriptedModel) -> None:
    _require("aider")
    code, out, err = others.run(
        "agent", "run", "aider", "--yes-always", "--no-git", "--message", "say hello"
    )
    assert code == 0, err
    assert "RESULT" in out
    (asked,) = model.inferences()
    assert asked.body["model"] == "llm-studio"
    assert "costs" not in out, "it knows that nothing is paid for"
