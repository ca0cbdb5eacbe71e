"""Agents and their sessions as rows, and what is told of the one under the cursor."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_studio.tui.figures import ago, counted
from llm_studio.tui.widgets.listing import Column, Row
from llm_studio.tui.widgets.painted import Part

AGENTS = (
    Column("AGENT"),
    Column("HERE"),
    Column("TESTED", yields=1),
    Column("SESSIONS", right=True, yields=2),
    Column("", flexible=True, yields=3, fills=True),
)
SESSIONS = (
    Column("SESSION"),
    Column("AGENT", yields=1),
    Column("AGE", right=True),
    Column("TOKENS", right=True),
    Column("CACHED", right=True, yields=2),
    Column("PROFILE", flexible=True, yields=3),
    Column("DIRECTORY", flexible=True, fills=True),
)
Told = Mapping[str, Any]


def agent_rows(agents: Iterable[Told], sessions: Sequence[Told]) -> list[Row]:
    rows = []
    for agent in agents:
        running = sum(each["alive"] and each["agent"] == agent["id"] for each in sessions)
        rows.append(
            Row(
                agent["id"],
                (
                    (agent["title"], ""),
                    _here(agent),
                    (agent["tested"] or ("config only" if agent["possible"] else ""), "dim"),
                    (str(running) if running else "", "accent"),
                    (_how(agent), "dim"),
                ),
            )
        )
    return rows


def _here(agent: Told) -> Part:
    if not agent["possible"]:
        return "cannot", "bad"
    if not agent["launched"]:
        return "by hand", "dim"
    if not agent["installed"]:
        return "not installed", "dim"
    return agent["version"] or "installed", "warn" if agent["old"] else "good"


def _how(agent: Told) -> str:
    return str(agent["install"] if not agent["installed"] and agent["launched"] else agent["note"])


def session_rows(sessions: Iterable[Told]) -> list[Row]:
    return [
        Row(
            session["id"],
            (
                (session["activity"], "good" if session["alive"] else "dim"),
                (session["agent"], ""),
                (ago(time.time() - session["started"]), ""),
                (f"{session['prompt_tokens'] + session['generated_tokens']:,}", ""),
                (_cached(session), ""),
                (session["profile"], "dim"),
                (session["directory"], ""),
            ),
        )
        for session in sessions
    ]


def _cached(session: Told) -> str:
    read = session["prompt_tokens"]
    return f"{session['cached_tokens'] / read:.0%}" if read else "—"


def told_of_session(session: Told) -> str:
    protection = session["protection"]
    fence = "without a fence" if protection == "none" else f"protected by {protection}"
    lines = [
        f"{session['agent']} in {session['directory']}, {fence}",
        session["summary"],
        *(f"→ {each}" for each in session["advice"]),
    ]
    return "\n".join(lines)


FENCES = {
    "bubblewrap": "A fence is put around it (bubblewrap): it may write in the project alone.",
    "container": "It runs in a container that sees the project, and nothing else of yours.",
    "own": "Its own sandbox is around the commands that it runs; its other tools ask you.",
    "none": "There is no fence for it here: it can do whatever you can. You are asked before.",
}
"""What is told of it before a launch."""


def told_of_agent(agent: Told, last: Told | None) -> str:
    lines = [agent["note"]] if agent["note"] else []
    if agent["fence"]:
        lines.append(FENCES[agent["fence"]])
    if agent["unfenced"]:
        lines.append(f"→ {agent['unfenced']}")
    if agent["launched"] and not agent["installed"]:
        lines.append(f"→ Install it:  {agent['install']}")
    if agent["old"]:
        lines.append(f"→ {agent['version']} is old; update it:  {agent['install']}")
    if last is not None:
        words = f"Its last session, {ago(time.time() - last['started'])} ago:"
        lines.append(f"{words} {last['summary'] or counted(last['requests'], 'request')}")
        lines += [f"→ {each}" for each in last["advice"]]
    return "\n".join(lines)
