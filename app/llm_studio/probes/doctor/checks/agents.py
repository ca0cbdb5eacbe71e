"""Which coding agents are here, of which versions, and do they start?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from llm_studio.probes.doctor.distribution import distribution, install_bubblewrap
from llm_studio.probes.doctor.finding import Check, Finding, Group, ok, warning
from llm_studio.probes.doctor.system import Ran, System


@dataclass(frozen=True, slots=True)
class Agent:
    """A coding agent that can work on a local model."""

    name: str
    install: str
    oldest: tuple[int, ...] = ()
    why: str = ""


AGENTS: Mapping[str, Agent] = {
    "claude": Agent(
        "Claude Code",
        "curl -fsSL https://claude.ai/install.sh | bash",
        (2, 1, 300),
        "Old versions (2.1.197 was one) send system messages where many models' templates refuse "
        "them, and cannot be told not to.",
    ),
    "codex": Agent("Codex", "npm install -g @openai/codex"),
    "opencode": Agent("opencode", "npm install -g opencode-ai"),
    "aider": Agent("aider", "uv tool install --python 3.12 aider-chat"),
    "qwen": Agent("Qwen Code", "npm install -g @qwen-code/qwen-code"),
    "goose": Agent("goose", "brew install block-goose-cli"),
}


_WITHOUT = (
    "They are put into a container instead, where there is Docker, and have only the programs of "
    "its image; or are launched without any protection, if you say so."
)


def look(system: System) -> Iterator[Finding]:
    paths = {command: path for command in AGENTS if (path := _path(system, command))}
    if not paths:
        yield ok("none is installed", f"For Claude Code: {AGENTS['claude'].install}")
        return
    with ThreadPoolExecutor(len(paths)) as pool:
        ran = dict(
            zip(
                paths,
                pool.map(lambda path: system.run(path, "--version", limit=8), paths.values()),
                strict=True,
            )
        )
    told = []
    for command, result in ran.items():
        version = _version(result)
        told.append(f"{AGENTS[command].name} {version}".strip())
        yield from _judged(system, command, paths[command], result, version)
    if system.platform == "linux":
        yield from _fence(system)
    yield ok(", ".join(told))


def _fence(system: System) -> Iterator[Finding]:
    bwrap = system.which("bwrap")
    if bwrap is None:
        yield warning(
            "there is no bubblewrap to put a fence around them",
            _WITHOUT,
            install_bubblewrap(distribution(system)),
            "Its package is called bubblewrap.",
            part="fence",
        )
        return
    ran = system.run(bwrap, "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true")
    if ran.code != 0:
        yield warning(
            "bubblewrap cannot put a fence around them: "
            + (ran.out.strip().partition("\n")[0] or ran.trouble or f"exit code {ran.code}"),
            f"This system lets no user make a sandbox, as Ubuntu since 24.04. {_WITHOUT}",
            advice="llm-studio image build sandbox  makes the container, where there is Docker.",
            part="fence",
        )


def _path(system: System, command: str) -> str | None:
    found = system.which(command)
    if found:
        return found
    for folder in (".local/bin", ".claude/local", ".opencode/bin"):
        path = str(system.home / folder / command)
        try:
            system.mode(path)
        except OSError:
            continue
        return path
    return None


def _judged(system: System, command: str, path: str, ran: Ran, version: str) -> Iterator[Finding]:
    agent = AGENTS[command]
    if ran.trouble == "slow":
        return  # a slow start is none of our business
    if ran.code != 0:
        node = "node" in ran.out.lower()
        yield warning(
            f"{agent.name} does not start: "
            + (ran.out.strip().partition("\n")[0] or f"exit code {ran.code}"),
            "It may want another Node.js." if node else "It cannot be put to work.",
            (*(("node --version",) if node else ()), agent.install),
            part=command,
        )
    elif agent.oldest and (numbers := _numbers(version)) and numbers < agent.oldest:
        oldest = ".".join(map(str, agent.oldest))
        yield warning(
            f"{agent.name} {version} is older than {oldest}",
            agent.why,
            (agent.install,),
            part=command,
        )
    elif not system.which(command):
        folder = path.rpartition("/")[0]
        yield warning(
            f"{agent.name} is at {path}, which is not on PATH",
            "The shell, and llm-studio, find it there only by its full name.",
            (f'export PATH="{folder}:$PATH"',),
            part=command,
        )


def _version(ran: Ran) -> str:
    found = re.search(r"\d+(?:\.\d+){1,3}", ran.out) if ran.code == 0 else None
    return found[0] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if version else ()


CHECK = Check("agents", "Coding agents", Group.AGENTS, 10, look, limit=15)
