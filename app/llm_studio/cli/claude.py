"""Claude Code on the model that is served, in this directory and this terminal.

It has a configuration of its own, never your login or your settings, and a fence around it where
this machine can make one. What is not said to llm-studio goes to claude as it is:

  llm-studio claude                        a session here
  llm-studio claude --profile coder        load that profile first
  llm-studio claude -p "Fix the test"      one answer, for scripts
  llm-studio claude --resume               take up a session again
"""

from __future__ import annotations

import argparse

from llm_studio.cli import agent_session

PASSES_ON = True


def options(parser: argparse.ArgumentParser) -> None:
    agent_session.options(parser)
    parser.add_argument(
        "--print-settings",
        choices=["vscode"],
        help="what belongs in VS Code's settings for the extension",
    )


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.agents.registry import agent_of

    agent = agent_of("claude")
    if arguments.print_settings:
        return _vscode(arguments)
    return agent_session.run(agent, arguments, agent_session.rest_of(arguments.passed_on))


def _vscode(arguments: argparse.Namespace) -> int:
    """The extension runs in the editor, so there is no fence; its folder holds the rules."""
    from llm_studio.agents.agent import Setup
    from llm_studio.agents.known.claude import AGENT, vscode
    from llm_studio.agents.launch import write_files
    from llm_studio.cli.output import narrate, print_json
    from llm_studio.cli.studio import connect
    from llm_studio.settings import load_settings

    settings, client = load_settings(), connect(start=True)
    agent_session.provide(client, AGENT, arguments.profile)
    seat = agent_session.seat_for(client, settings, AGENT, "vscode").seat
    folder = settings.paths.state / "agents" / "claude-vscode"
    told, files = vscode(seat, folder)
    write_files(Setup(once=files), folder=folder)
    print_json(told)
    narrate("Add this to VS Code's settings.json. The extension is not fenced in: it asks you.")
    return 0
