"""Stop the model. Requests that run may end first. The studio stays."""

from __future__ import annotations

import argparse

from llm_studio.cli.output import say
from llm_studio.cli.studio import connect, ended_well, follow


def options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults()


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    answer = client.ask("POST", "/stop")
    if answer["job"]:
        ended_well(follow(client, answer["job"]["id"]))
    say("stopped")
    return 0
