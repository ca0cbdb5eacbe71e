"""Download a model: what a profile names (`get ID`), or a repository's (`get OWNER/NAME:QUANT`).

It goes into the first models folder. A download is a job of the studio: Ctrl-C stops watching it.
One that was cut off or cancelled goes on where it was, and every file is checked when it is whole.
For repositories with terms of use, log in first with `hf auth login`.
"""

from __future__ import annotations

import argparse
from urllib.parse import urlencode

from llm_studio.cli.output import Cell, Column, narrate, print_json, say, size, table
from llm_studio.cli.progress import watch
from llm_studio.cli.studio import connect, ended_well
from llm_studio.errors import UsageError


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", help="a profile's id, OWNER/NAME, OWNER/NAME:QUANT, or words with --search"
    )
    parser.add_argument("--list", action="store_true", help="show what the repository has")
    parser.add_argument("--search", action="store_true", help="search for repositories with GGUF")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it is done")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.list and arguments.search:
        raise UsageError("--list and --search do not go together")
    client = connect(start=True)
    if arguments.search:
        return _search(client.ask("GET", f"/hub/search?{urlencode({'words': arguments.what})}"),
                       arguments.json)  # fmt: skip
    if arguments.list:
        query = urlencode({"repository": arguments.what})
        return _offers(client.ask("GET", f"/hub/offers?{query}"), arguments.json)
    job = client.ask("POST", "/downloads", {"what": arguments.what}, timeout=120)
    if arguments.no_wait:
        narrate(f"It is job {job['id']}:  llm-studio jobs {job['id']}")
        return 0
    job = watch(client, job["id"])
    ended_well(job)
    if arguments.json:
        print_json(job["result"])
        return 0
    for file in job["result"]["files"]:
        say(file)
    if "/" in arguments.what:
        narrate("A profile for it:  llm-studio new FILE")
    return 0


def _search(found: list[dict[str, object]], as_json: bool) -> int:
    if as_json:
        print_json(found)
        return 0
    columns = (Column("REPOSITORY", flexible=True), Column("DOWNLOADS", right=True))
    table(columns, [[str(each["repository"]), f"{each['downloads']:,}"] for each in found])
    narrate("What one has:  llm-studio get OWNER/NAME --list")
    return 0


def _offers(found: dict[str, object], as_json: bool) -> int:
    if as_json:
        print_json(found)
        return 0
    rows: list[list[Cell | str]] = []
    offers = found["offers"]
    assert isinstance(offers, list)
    for each in offers:
        told = "projector" if each["projector"] else ""
        told = f"{each['missing']} shards are missing" if each["missing"] else told
        rows.append([each["name"], size(each["size"]), str(each["files"]), Cell(told, "dim")])
    columns = (Column("QUANT"), Column("SIZE", right=True), Column("FILES", right=True), Column(""))
    table(columns, rows)
    narrate(f"One of them:  llm-studio get {found['repository']}:QUANT")
    return 0
