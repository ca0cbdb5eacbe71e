"""What `llm-studio agent` tells: the agents, their sessions, their settings, how a trial went."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from llm_studio.agents.agent import Agent, Place
from llm_studio.cli import agent_session
from llm_studio.cli.output import (
    Cell,
    Column,
    narrate,
    narrate_wrapped,
    print_json,
    say,
    say_wrapped,
    table,
)
from llm_studio.cli.studio import connect
from llm_studio.errors import NotReady
from llm_studio.settings import load_settings

_WORDS = {True: ("ok", "green"), False: ("FAILED", "red"), None: ("unsure", "yellow")}


def listing(*, as_json: bool) -> int:
    from llm_studio.server.agent_routes import agent_statuses

    found = agent_statuses(load_settings().agent_image)
    if as_json:
        print_json([each.model_dump() for each in found])
        return 0
    rows: list[list[Cell | str]] = []
    for each in found:
        here = each.version or "yes" if each.installed else "by hand" if not each.launched else "no"
        style = "green" if each.installed else "dim"
        if not each.possible:
            here, style = "cannot", "red"
        tested = each.tested or ("config only" if each.possible else "—")
        told = each.note if each.installed or not each.install else f"{each.install}  {each.note}"
        fence = Cell(each.fence, "yellow" if each.fence == "none" else "")
        rows.append([each.id, each.title, Cell(here, style), fence, tested, told.strip()])
    table(
        [Column("ID"), Column("NAME"), Column("INSTALLED"), Column("FENCE"), Column("TESTED"),
         Column("HOW", flexible=True)],
        rows,
    )  # fmt: skip
    for why in dict.fromkeys(each.unfenced for each in found if each.unfenced):
        those = ", ".join(each.title for each in found if each.unfenced == why)
        narrate_wrapped(f"No fence for {those}. {why}", "→ ", "yellow")
    return 0


def sessions(*, as_json: bool) -> int:
    found: list[dict[str, Any]] = connect().ask("GET", "/agents/sessions")
    if as_json:
        print_json(found)
        return 0
    if not found:
        narrate("No agent was launched yet:  llm-studio claude")
        return 0
    rows: list[list[Cell | str]] = [
        [
            Cell(each["activity"], "green" if each["alive"] else "dim"),
            each["agent"],
            each["profile"],
            _age(each),
            f"{each['prompt_tokens'] + each['generated_tokens']:,}",
            f"{each['cached_tokens'] / each['prompt_tokens']:.0%}"
            if each["prompt_tokens"]
            else "—",
            each["directory"],
        ]
        for each in found
    ]
    table(
        [Column("STATE"), Column("AGENT"), Column("PROFILE"), Column("AGE", right=True),
         Column("TOKENS", right=True), Column("CACHED", right=True),
         Column("DIRECTORY", flexible=True)],
        rows,
    )  # fmt: skip
    return 0


def _age(session: dict[str, Any]) -> str:
    minutes = int(time.time() - session["started"]) // 60
    return f"{minutes // 60}h {minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"


def config(agent: Agent, arguments: argparse.Namespace) -> int:
    """For those in editors: what to enter. For the others: what would be set."""
    if agent.configure is None:
        raise NotReady(f"{agent.title} cannot use a local model", why=agent.note)
    settings, client = load_settings(), connect(start=True)
    agent_session.provide(client, agent, arguments.profile)
    seat = agent_session.seat_for(client, settings, agent, agent.id).seat
    from pathlib import Path

    folder = settings.paths.state / "agents" / agent.id
    setup = agent.configure(seat, Place(folder, folder / "session-ID", Path.cwd().resolve()))
    if arguments.json:
        told = {**asdict(setup), "files": _texts(setup.files), "once": _texts(setup.once)}
        print_json(told)
    elif setup.steps:
        say(setup.steps.rstrip())
    else:
        for name, value in setup.environment.items():
            say(f"{name}={value}")
        if setup.arguments:
            say(f"arguments: {' '.join(setup.arguments)}")
        for path, text in {**setup.once, **setup.files}.items():
            say(f"{path}:")
            say("\n".join(f"  {line}" for line in text.splitlines()))
    return 0


def _texts(files: Any) -> dict[str, str]:
    return {str(path): text for path, text in files.items()}


def test(agent: Agent, arguments: argparse.Namespace) -> int:
    from llm_studio.agents.trial import trial

    if agent.configure is None:
        raise NotReady(f"{agent.title} cannot use a local model", why=agent.note)
    settings, client = load_settings(), connect(start=True)
    agent_session.provide(client, agent, arguments.profile)
    seating = agent_session.seat_for(client, settings, agent, "test")
    narrate(f"Sending to {seating.seat.profile} what {agent.title} would send …")
    steps = []
    for step in trial(agent, seating.seat):
        steps.append(step)
        if not arguments.json:
            word, style = _WORDS[step.works]
            say_wrapped(f"{step.what}: {step.told}", "   ", f"{word} ", style)
    if arguments.json:
        print_json([asdict(step) for step in steps])
    return 1 if any(step.works is False for step in steps) else 0
