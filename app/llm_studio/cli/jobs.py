"""What takes long, like a switch: its progress and how it ended. `jobs cancel ID` ends one."""

from __future__ import annotations

import argparse
import time

from llm_studio.cli.output import Cell, Column, print_json, say, table
from llm_studio.cli.studio import connect
from llm_studio.errors import UsageError

_STYLE = {"running": "cyan", "done": "green", "failed": "red"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[cancel] ID", help="one job, or cancel it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    match arguments.words:
        case []:
            found = client.ask("GET", "/jobs")
        case ["cancel"]:
            raise UsageError("Which job?", hint="`llm-studio jobs` shows them: jobs cancel ID")
        case ["cancel", id_]:
            found = [client.ask("POST", f"/jobs/{id_}/cancel")]
        case [id_]:
            found = [client.ask("GET", f"/jobs/{id_}")]
        case _:
            raise UsageError("That is too much", hint="llm-studio jobs, or: jobs cancel ID")
    if arguments.json:
        print_json(found)
        return 0
    rows: list[list[Cell | str]] = []
    for job in found[-50:]:
        took = (job["ended"] or time.time()) - job["started"]
        state = Cell(job["state"], _STYLE.get(job["state"], "yellow"))
        clock = time.strftime("%m-%d %H:%M", time.localtime(job["started"]))
        rows.append([job["id"], job["title"], state, clock, f"{took:.1f} s", job["error"]])
    if rows:
        columns = (Column("ID"), Column("WHAT"), Column("STATE"), Column("BEGAN"))
        table((*columns, Column("TOOK", right=True), Column("ERROR", flexible=True)), rows)
    else:
        say("No jobs yet.")
    return 0
