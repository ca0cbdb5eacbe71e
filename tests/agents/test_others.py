"""Other agents for real: Codex and OpenCode as tests/agents/prepare installs them; Qwen Code and
Aider where somebody has them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.agents.conftest import AgentUser, missing
from tests.standins.scripted_model import ScriptedModel

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PREPARED = Path(os.environ.get("LLM_STUDIO_TEST_AGENTS") or CACHE / "llm-studio-tests" / "agents")


def put(name: str, user: AgentUser, *, prepared: bool = False) -> None:
    """An agent within reach of a user whose model is served."""
    found = shutil.which(name, path=f"{PREPARED / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None and prepared:
        missing(f"{name} is not installed: tests/agents/prepare does that.")
    if found is None:
        pytest.skip(f"{name} is not installed")
    folders = [Path(found).parent]
    if node := shutil.which("node"):
        (user.user.home / "bin").mkdir()
        (user.user.home / "bin" / "node").symlink_to(node)
        folders.append(user.user.home / "bin")
    user.user.environment["PATH"] += "".join(f"{os.pathsep}{each}" for each in folders)
    user.user.serve()
    user.user.up("scripted")


def test_codex_works_in_the_project_and_nowhere_else(
    fenced: AgentUser, fence: str, model: ScriptedModel
) -> None:
    put("codex", fenced, prepared=True)
    outside = fenced.user.home / "outside.txt"
    command = f"echo made > made.txt; echo x > {outside}"
    code, out, err = fenced.run(
        "agent", "run", "codex", "exec", "--skip-git-repo-check",
        f'call exec_command {{"cmd":"{command}"}}',
    )  # fmt: skip
    assert code == 0, err
    assert f"Protection: {fence}" in err
    assert "RESULT" in out
    assert (fenced.project / "made.txt").read_text() == "made\n"
    assert not outside.exists()
    assert {each.path for each in model.inferences()} == {"/v1/responses"}
    (session,) = fenced.sessions()
    assert (session["agent"], session["requests"]) == ("codex", 2)
    assert "1 answer that called tools" in err


def test_one_that_lies_beside_its_keys_starts_all_the_same(agent_user: AgentUser) -> None:
    """As Codex's installer puts it: below ~/.codex, where its login is too."""
    put("codex", agent_user, prepared=True)
    (binary,) = PREPARED.glob(
        "lib/node_modules/@openai/codex/node_modules/@openai/*/vendor/*/bin/codex"
    )
    place = agent_user.user.home / ".codex" / "packages" / "1"
    place.mkdir(parents=True)
    shutil.copy(binary, place)
    (place.parent / "current").symlink_to("1")
    (agent_user.user.home / ".codex" / "auth.json").write_text("secret")
    folder = agent_user.user.home / "own-bin"
    folder.mkdir()
    (folder / "codex").symlink_to(place.parent / "current" / "codex")
    agent_user.user.environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    code, out, err = agent_user.run("agent", "run", "codex", "--version")
    assert code == 0, err
    assert "Protection: bubblewrap" in err
    assert out.startswith("codex")


def test_opencode_asks_the_model_that_is_served(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    put("opencode", agent_user, prepared=True)
    (agent_user.project / "notes.txt").write_text("what it says")
    path = agent_user.project / "notes.txt"
    code, out, err = agent_user.run(
        "agent", "run", "opencode", "run", f'call read {{"filePath":"{path}"}}'
    )
    assert code == 0, err
    assert "what it says" in out
    assert {each.path for each in model.inferences()} == {"/v1/chat/completions"}


def test_qwen_code_works_in_the_project_and_nowhere_else(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    put("qwen", agent_user)
    outside = agent_user.user.home / "outside.txt"
    call = {"command": f"echo made > made.txt; echo x > {outside}", "is_background": False}
    code, out, err = agent_user.run(
        "agent", "run", "qwen", "-p", f"call run_shell_command {json.dumps(call)}",
        "--approval-mode", "yolo",
    )  # fmt: skip
    assert code == 0, err
    assert "RESULT" in out
    assert (agent_user.project / "made.txt").read_text() == "made\n"
    assert not outside.exists()
    assert {each.path for each in model.inferences()} == {"/v1/chat/completions"}
    assert "1 answer that called tools" in err


def test_aider_asks_the_model_that_is_served(agent_user: AgentUser, model: ScriptedModel) -> None:
    put("aider", agent_user)
    code, out, err = agent_user.run(
        "agent", "run", "aider", "--yes-always", "--no-git", "--message", "say hello"
    )
    assert code == 0, err
    assert "RESULT" in out
    assert len(model.inferences()) == 1
    assert agent_user.user.ask("GET", "/requests")[-1]["model"] == "llm-studio"
    assert "costs" not in out, "it knows that nothing is paid for"
