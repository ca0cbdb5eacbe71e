"""Stop the model, or all where several are served. Requests that run may end first.

The studio stays; `llm-studio shutdown` ends it.
"""

from __future__ import annotations

import argparse
from urllib.parse import quote

from llm_studio.cli.output import say
from llm_studio.cli.studio import connect, ended_well, follow


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one profile of several that are served")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    which = f"?model={quote(arguments.id)}" if arguments.id else ""
    for job in client.ask("POST", f"/stop{which}")["jobs"]:
        ended_well(follow(client, job["id"]))
    say(f"{arguments.id} is stopped" if arguments.id else "stopped")
    return 0
