"""The real Claude Code, launched as users launch it, on a model that does as it is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import pytest
from tests.agents.conftest import CLAUDE, AgentUser
from tests.e2e.terminal import ENTER, Terminal
from tests.e2e.user import User
from tests.standins.scripted_model import Asked, ScriptedModel
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.agents.container import LABEL
from llm_studio.engines.docker.connection import Connection


@pytest.fixture(autouse=True)
def _served(agent_user: AgentUser) -> None:
    agent_user.user.serve()
    agent_user.user.up("scripted")


def call(tool: str, **arguments: Any) -> str:
    return f"call {tool} {json.dumps(arguments)}"


def bash(command: str) -> str:
    return call("Bash", command=command)


def test_it_answers_and_writes_in_the_project(agent_user: AgentUser, model: ScriptedModel) -> None:
    agent_user.user.environment |= {
        "ANTHROPIC_API_KEY": "sk-of-the-cloud", "ANTHROPIC_CUSTOM_HEADERS": "X-Secret: yes",
        "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDECODE": "1", "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }  # fmt: skip
    target = agent_user.project / "made.txt"
    code, out, err = agent_user.run(
        "claude", "-p", call("Write", file_path=str(target), content="by the agent"),
        "--permission-mode", "acceptEdits",
    )  # fmt: skip
    assert code == 0, err
    assert "RESULT" in out
    assert target.read_text() == "by the agent"
    first = model.inferences()[0]
    headers = json.dumps(first.headers)
    assert "sk-of-the-cloud" not in headers
    assert "X-Secret" not in headers
    assert "~" not in headers, "the session's key ends at the gateway"
    assert agent_user.user.ask("GET", "/requests")[-1]["model"] == "llm-studio"
    assert {message["role"] for message in first.body["messages"]} == {"user"}
    assert first.body["max_tokens"] == 8192
    assert "x-anthropic-billing-header" not in json.dumps(first.body["system"])
    tools = {tool["name"] for tool in first.body["tools"]}
    assert {"Bash", "Edit", "Read", "Write"} <= tools
    assert not tools & {"WebSearch", "WebFetch", "ToolSearch"}
    (session,) = agent_user.sessions()
    assert (session["activity"], session["requests"]) == ("ended", 2)
    assert session["directory"] == str(agent_user.project)
    assert session["prompt_tokens"] > session["cached_tokens"] > 0
    assert f"{session['prompt_tokens']:,} tokens read" in err
    assert "1 answer that called tools" in err
    left = agent_user.user.state / "agents" / "claude"
    assert not list(left.glob("session-*"))
    assert not (agent_user.user.home / ".claude").exists()


@pytest.fixture
def neighbour() -> Iterator[IO[str]]:
    """What another program keeps in the folder for temporary files."""
    with NamedTemporaryFile("w", dir="/tmp", prefix="neighbour-") as file:
        file.write("not for agents")
        file.flush()
        yield file


def test_the_fence_holds(fenced: AgentUser, fence: str, neighbour: IO[str]) -> None:
    """Somebody tries to get out of it, by every tool that there is."""
    home, api = fenced.user.home, fenced.user.status()["api"]
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").write_text("secret key")
    (fenced.project / ".git" / "hooks").mkdir(parents=True)
    fenced.user.environment["SSH_AUTH_SOCK"] = "/tmp/agent.sock"
    outside = home / "outside.txt"
    tries = {
        "writes": f"echo x > {outside} && echo GOT-OUT",
        "root": "echo x > /etc/llm-studio-test && echo GOT-OUT",
        "hooks": "echo x > .git/hooks/pre-commit && echo GOT-OUT",
        "secrets": f"grep -r . {home}/.ss* && echo GOT-OUT",
        "token": f"ls {fenced.user.state} | grep -E 'token|sock|jsonl' && echo GOT-OUT",
        "sockets": "find /run -type s | grep -v /run/llm-studio- && echo GOT-OUT",
        "api": f"exec 3<>/dev/tcp/{api.removeprefix('http://').replace(':', '/')} && echo GOT-OUT",
        "away": "exec 3<>/dev/tcp/192.0.2.1/80 && echo GOT-OUT",
        "others": f"cat {neighbour.name} && echo GOT-OUT",
        "keys": "env | grep SSH_AUTH && echo GOT-OUT",
        "processes": "ls /proc | grep -c '^[0-9][0-9][0-9]' | grep -v '^0$' && echo GOT-OUT",
    }
    script = fenced.project / "try.sh"
    gateway = fenced.user.status()["gateway"].removeprefix("http://").replace(":", "/")
    tries["gateway"] = f"exec 3<>/dev/tcp/{gateway} && echo REACHED"
    lines = [f"echo {name}: $( ({line}) 2>&1 )\n" for name, line in tries.items()]
    script.write_text("".join(lines))
    code, out, err = fenced.run(
        "claude", "-p", bash("bash try.sh"), "--allowedTools", "Bash",
    )  # fmt: skip
    assert code == 0, err
    assert f"Protection: {fence}" in err
    assert all(f"{name}:" in out for name in tries), out
    assert "GOT-OUT" not in out
    assert "gateway: REACHED" in out
    assert not outside.exists()
    code, out, _ = fenced.run(
        "claude", "-p",
        ";".join([call("Write", file_path=str(outside), content="x"),
                  call("Read", file_path=str(home / ".ssh" / "id"))]),
        "--permission-mode", "acceptEdits",
    )  # fmt: skip
    assert "secret key" not in out
    assert not outside.exists()


def test_without_a_fence_somebody_must_say_so(agent_user: AgentUser) -> None:
    agent_user.user.environment["PATH"] = str(CLAUDE.parent)
    code, _, err = agent_user.run("claude", "-p", "hi")
    assert code == 3
    assert "cannot be fenced in" in err
    assert "bubblewrap is not installed" in err
    assert "Docker's command line is not installed" in err
    assert "--no-sandbox" in err
    assert not agent_user.model.inferences()
    code, out, err = agent_user.run("claude", "--no-sandbox", "-p", "hi")
    assert (code, out.strip()) == (0, "RESULT"), err
    assert "Protection: none" in err
    # Its own rules are there all the same.
    outside = agent_user.user.home / "outside.txt"
    agent_user.run(
        "claude", "--no-sandbox", "-p", call("Write", file_path=str(outside), content="x"),
        "--permission-mode", "acceptEdits",
    )  # fmt: skip
    assert not outside.exists()


def test_somebody_types_yes_to_do_without_a_fence(agent_user: AgentUser) -> None:
    agent_user.user.environment["PATH"] = str(CLAUDE.parent)
    for answer, code in (("y", 3), ("yes", 0)):
        terminal = Terminal(
            agent_user.user.environment, "claude", "-p", "hi", before=f"cd {agent_user.project};"
        )
        terminal.until("Type yes to launch Claude Code")
        assert not agent_user.model.inferences()
        terminal.press(answer, ENTER)
        assert terminal.wait() == code
        terminal.close()
    assert agent_user.model.inferences()


def test_no_container_for_a_program_that_it_lacks_the_files_of(
    agent_user: AgentUser, tmp_path: Path
) -> None:
    script = tmp_path / "aider"
    script.write_text(f"#!{sys.executable}\nprint('1.2.3')\n")
    script.chmod(0o755)
    agent_user.user.environment["PATH"] = str(tmp_path)
    code, _, err = agent_user.run("agent", "run", "aider")
    assert code == 3
    assert f"{script} is a script for python" in err


@pytest.mark.parametrize("fence", ["bubblewrap"], indirect=True)
def test_a_session_that_leads_git_elsewhere_is_told_of(agent_user: AgentUser) -> None:
    subprocess.run(["git", "init", "-q"], cwd=agent_user.project, check=True)
    (agent_user.project / "make").write_text("echo ../own > .git/commondir")
    code, _, err = agent_user.run("claude", "-p", bash("sh make"), "--allowedTools", "Bash")
    assert code == 0, err
    assert "commondir makes git take hooks and settings from elsewhere" in " ".join(err.split())
    code, _, err = agent_user.run("claude", "-p", "hi")
    assert code == 3
    assert "cannot be fenced in" in err


@pytest.mark.parametrize("fence", ["container"], indirect=True)
def test_a_container_ends_with_its_launcher(fenced: AgentUser) -> None:
    """However that ends; a container would go on by itself."""
    process = fenced.begin("claude", "-p", bash("touch begun; sleep 600"), "--allowedTools", "Bash")
    while not (fenced.project / "begun").exists():
        assert process.poll() is None
    (session,) = fenced.sessions()
    connection = Connection(os.environ)
    with connection.open() as docker:
        (found,) = docker.containers(filters={"label": f"{LABEL}={session['id']}"})
        process.kill()
        docker.wait(found["Id"], timeout=20, condition="removed")
    connection.close()
    left = fenced.user.state / "agents" / "claude" / f"session-{session['id']}"
    assert left.is_dir()
    assert fenced.run("claude", "-p", "hi")[0] == 0
    assert not left.exists(), "the key that it held goes at the next launch"


@pytest.fixture
def second() -> Iterator[ScriptedModel]:
    second = ScriptedModel()
    yield second
    second.close()


def test_another_model_takes_over_in_the_midst(
    agent_user: AgentUser, model: ScriptedModel, second: ScriptedModel
) -> None:
    agent_user.serve("second", second)

    def switch(asked: Asked) -> None:
        if len(model.inferences()) == 1 and asked.path.startswith("/v1/messages"):
            agent_user.user.switch("second")

    model.before = switch
    code, out, err = agent_user.run("claude", "-p", bash("echo one"), "--allowedTools", "Bash")
    assert (code, out.strip()) == (0, "RESULT one"), err
    assert len(model.inferences()) == 1
    (asked,) = second.inferences()
    assert "call Bash" in json.dumps(asked.body["messages"]), "the conversation went along"
    assert agent_user.user.status()["profile"] == "second"


def test_a_studio_that_dies_and_comes_back_ends_no_session(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    """For a while nobody is at the gateway: the agent asks again, until somebody is."""
    user = agent_user.user
    begun = agent_user.project / "begun"
    waits = "touch begun; until [ -e go ]; do sleep 0.1; done; echo one"
    process = agent_user.begin("claude", "-p", bash(waits), "--allowedTools", "Bash")
    while not begun.exists():
        assert process.poll() is None
    port = user.status()["gateway"].rpartition(":")[2]
    user.kill_studio()
    (agent_user.project / "go").touch()
    user.environment["LLM_STUDIO_GATEWAY_PORT"] = port
    user.serve()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, "RESULT one"), err


def test_profiles_are_offered_where_what_is_served_does_not_suit(
    agent_user: AgentUser, model: ScriptedModel, second: ScriptedModel
) -> None:
    agent_user.serve("second", second)
    model.context = 8192
    terminal = Terminal(
        agent_user.user.environment, "claude", "-p", "hi", before=f"cd {agent_user.project};"
    )
    terminal.until("The context of scripted is too small for Claude Code")
    terminal.until("Which one?")
    (line,) = [each for each in terminal.lines if "  second  " in each]
    assert "65,536 tokens a request" in line
    terminal.press(line.split()[0], ENTER)
    assert terminal.wait() == 0
    assert "RESULT" in terminal.text
    terminal.close()
    assert second.inferences()
    assert not model.inferences()


def test_an_engine_that_fails_once_is_asked_again(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    def fail(asked: Asked) -> tuple[int, Any] | None:
        first = len(model.inferences()) == 1 and asked.path.startswith("/v1/messages")
        return (500, {"error": {"message": "Failed to parse input at pos 3"}}) if first else None

    model.before = fail
    code, out, err = agent_user.run("claude", "-p", "hi")
    assert (code, out.strip()) == (0, "RESULT"), err
    assert "1 tool call that could not be read" in err
    assert "another template" in err


def test_a_prompt_that_is_too_long_is_told_with_advice(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    error = {
        "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 70000, "n_ctx": 65536,
        "message": "request (70000 tokens) exceeds the available context size (65536 tokens)",
    }  # fmt: skip
    model.before = lambda asked: (400, {"error": error}) if asked.path.startswith("/v1/m") else None
    code, out, err = agent_user.run("claude", "-p", "hi")
    assert code == 1
    assert "Prompt is too long" in out
    assert "did not fit into the context of 65,536 tokens" in err


def test_too_little_context_is_refused_before_it_starts(
    agent_user: AgentUser, model: ScriptedModel
) -> None:
    model.context = 8192
    code, _, err = agent_user.run("claude", "-p", "hi")
    assert code == 3
    assert "too small for Claude Code" in err
    assert "8,192" in err
    assert not model.inferences()


def test_nothing_served_and_nobody_to_ask(agent_user: AgentUser) -> None:
    agent_user.user.ask("POST", "/stop?wait=true")
    code, _, err = agent_user.run("claude", "-p", "hi")
    assert code == 3
    assert "No model is served" in err
    assert "--profile ID" in err


def test_a_profile_is_loaded_and_a_real_engine_answers(agent_user: AgentUser) -> None:
    """The embedded engine: a real template, tokenizer, sampler, cache and stream of events."""
    user: User = agent_user.user
    write_tiny_llama(user.models / "tiny.gguf", answer="Sure", blocks=1, heads=2)
    short = ("--tools", "Bash", "--system-prompt", "Be brief.")  # its tokens are bytes
    profile = user.home / "profiles" / "one.toml"
    profile.write_text(profile.read_text().replace("parallel = 2", "parallel = 1"))
    code, out, err = agent_user.run("claude", "--profile", "one", "-p", "hi", *short)
    assert (code, out.strip()) == (0, "Sure"), err
    assert "knows no tools" in err
    (session,) = agent_user.sessions()
    assert (session["profile"], session["requests"]) == ("one", 1)
    assert session["generated_tokens"] == 5
    code, out, err = agent_user.run("claude", "-p", "hello", *short)
    assert (code, out.strip()) == (0, "Sure"), err
    again = agent_user.sessions()[0]
    assert again["cached_tokens"] > 0.9 * again["prompt_tokens"], "nothing in it changes"


def test_what_ends_the_launcher_ends_the_agent(agent_user: AgentUser, model: ScriptedModel) -> None:
    """A hang-up, as when the terminal is closed."""
    process = agent_user.begin(
        "claude", "-p", bash("touch begun; sleep 600"), "--allowedTools", "Bash"
    )
    while not (agent_user.project / "begun").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    (session,) = agent_user.sessions()
    assert session["activity"] == "ended"
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(agent_user.project.parent) not in running.stdout.replace("serve", "")


def test_what_would_be_done_is_told_and_nothing_is(agent_user: AgentUser) -> None:
    agent_user.user.environment["ANTHROPIC_API_KEY"] = "sk-of-the-cloud"
    code, out, _ = agent_user.run("claude", "--dry-run", "--resume")
    assert code == 0
    assert "ANTHROPIC_MODEL=llm-studio" in out
    assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS=65536" in out
    assert "CLAUDE_CODE_ATTRIBUTION_HEADER=0" in out
    assert '"disableAutoMode": "disable"' in out
    assert "--resume" in out
    assert "sk-of-the-cloud" not in out
    assert not (agent_user.user.state / "agents").exists()
    code, out, _ = agent_user.run("claude", "--print-env")
    told = subprocess.run(
        ["sh", "-c", f"{out}\nenv"], env=agent_user.user.environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert f"ANTHROPIC_BASE_URL={agent_user.user.status()['gateway']}" in told.stdout
    assert "sk-of-the-cloud" not in told.stdout
    code, out, _ = agent_user.run("claude", "--print-settings", "vscode")
    settings = json.loads(out)
    variables = {
        each["name"]: each["value"] for each in settings["claudeCode.environmentVariables"]
    }
    folder = Path(variables["CLAUDE_CONFIG_DIR"])
    assert json.loads((folder / "settings.json").read_text())["permissions"]["deny"]


def test_words_that_would_undo_the_fence_are_refused(agent_user: AgentUser) -> None:
    code, _, err = agent_user.run("claude", "--settings", "{}", "-p", "hi")
    assert code == 2
    assert "--settings is set by llm-studio" in err
