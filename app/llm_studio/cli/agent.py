"""Coding agents on the model that is served.

llm-studio agent list               which there are, installed, tested
llm-studio agent run NAME [ARGS…]   launch one in this directory; ARGS are its own
llm-studio agent config NAME        what would be set, or what to enter in an editor
llm-studio agent test NAME          send what it would send, and say what works
llm-studio agent sessions           those that run, and the last that ran
"""

from __future__ import annotations

import argparse

from llm_studio.cli import agent_session
from llm_studio.errors import UsageError

PASSES_ON = True
ACTIONS = ("list", "run", "config", "test", "sessions")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument("name", nargs="?", default="", help="the agent's")
    agent_session.options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.agents.registry import agent_of
    from llm_studio.cli import agent_told

    if arguments.action in ("list", "sessions"):
        agent_session.no_words([*filter(None, [arguments.name]), *arguments.passed_on])
        if arguments.action == "list":
            return agent_told.listing(as_json=arguments.json)
        return agent_told.sessions(as_json=arguments.json)
    if not arguments.name:
        raise UsageError("Which agent?", hint="`llm-studio agent list` shows them.")
    agent = agent_of(arguments.name)
    if arguments.action == "run":
        return agent_session.run(agent, arguments, agent_session.rest_of(arguments.passed_on))
    agent_session.no_words(arguments.passed_on)
    if arguments.action == "config":
        return agent_told.config(agent, arguments)
    return agent_told.test(agent, arguments)
