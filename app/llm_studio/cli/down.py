"""Stop the model, or all where several are served. Requests that run may end first, for half a
minute; with --now they are cut off.

The studio stays; `llm-studio shutdown` ends it.
"""

from __future__ import annotations

import argparse
from urllib.parse import urlencode

from llm_studio.cli.output import say
from llm_studio.cli.studio import connect, ended_well, follow


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one profile of several that are served")
    parser.add_argument("--now", action="store_true", help="cut requests off that still run")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    which = urlencode({"model": arguments.id or "", "drain": not arguments.now})
    for job in client.ask("POST", f"/stop?{which}")["jobs"]:
        ended_well(follow(client, job["id"]))
    say(f"{arguments.id} is stopped" if arguments.id else "stopped")
    return 0
