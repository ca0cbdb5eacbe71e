"""Finds the agents: one module each in the folder `known`, and whether they are installed here."""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from llm_studio.agents import known
from llm_studio.agents.agent import Agent
from llm_studio.errors import NotFound, NotReady, did_you_mean
from llm_studio.settings import home_folder
from llm_studio.text import untrusted_line

VERSION_SECONDS = 20.0
_PLACES = (".local/bin", ".claude/local", ".opencode/bin", ".npm-global/bin")
"""Where installers put programs without telling the shell."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An agent's program on this machine."""

    path: Path
    version: str


@cache
def agents() -> tuple[Agent, ...]:
    """All of them, those that can be launched first."""
    names = sorted(module.name for module in pkgutil.iter_modules(known.__path__))
    found: list[Agent] = [import_module(f"{known.__name__}.{name}").AGENT for name in names]
    order = {"claude": -1}
    return tuple(
        sorted(found, key=lambda each: (order.get(each.id, 0), not each.possible, not each.command))
    )


def agent_of(id_: str) -> Agent:
    by_id = {agent.id: agent for agent in agents()}
    if id_ not in by_id:
        raise NotFound(
            f"There is no agent {untrusted_line(id_)!r}",
            hint=did_you_mean(id_, by_id) or f"There are: {', '.join(by_id)}.",
        )
    return by_id[id_]


def program_of(agent: Agent) -> Path | None:
    """Where its program is, on PATH or where installers hide it."""
    if not agent.command:
        return None
    if found := shutil.which(agent.command):
        return Path(found)
    candidates = (home_folder() / place / agent.command for place in _PLACES)
    return next((each for each in candidates if os.access(each, os.X_OK)), None)


def installed(agent: Agent) -> Installed | None:
    """Its program, if it is here, and the version that it tells; this runs it."""
    path = program_of(agent)
    if path is None:
        return None
    key = (str(path), path.stat().st_mtime)
    if not _versions.get(key):  # one that answered too late is asked again
        _versions[key] = _version(key[0])
    return Installed(path, _versions[key])


def all_installed(among: Iterable[Agent]) -> dict[str, Installed]:
    """Those that are here, asked for their versions at the same time."""
    some = [agent for agent in among if agent.command]
    with ThreadPoolExecutor(max(len(some), 1)) as pool:
        found = pool.map(installed, some)
    return {agent.id: each for agent, each in zip(some, found, strict=True) if each}


def require_program(agent: Agent) -> Installed:
    """The agent's program; where there is none, how to get it."""
    if not agent.command:
        raise NotReady(
            f"{agent.title} is not launched from here",
            why=agent.note,
            hint=f"llm-studio agent config {agent.id}",
        )
    found = installed(agent)
    if found is None:
        raise NotReady(f"{agent.title} is not installed", hint=f"Install it:  {agent.install}")
    return found


def too_old(agent: Agent, version: str) -> bool:
    """Whether a version is known to be older than what works."""
    numbers = tuple(int(part) for part in version.split(".")) if version else ()
    return bool(agent.oldest and numbers and numbers < agent.oldest)


_versions: dict[tuple[str, float], str] = {}


def _version(path: str) -> str:
    try:
        told = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=VERSION_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(?:\.\d+){1,3}", told.stdout) if told.returncode == 0 else None
    return found[0] if found else ""
