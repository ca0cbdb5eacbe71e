"""Serve a profile, or switch to it, and wait until it is ready.

Without an id, the one that was served last is served again. Ctrl-C ends the waiting, not the
switch: `llm-studio jobs cancel ID` cancels it.
"""

from __future__ import annotations

import argparse

from llm_studio.cli.output import narrate, print_json, say
from llm_studio.cli.studio import check_version, connect, ended_well, follow
from llm_studio.client import Client
from llm_studio.errors import UsageError


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="the profile's id")
    parser.add_argument(
        "--beside", action="store_true", help="beside what is served, rather than instead of it"
    )
    parser.add_argument(
        "--now", action="store_true", help="cut requests off that still run, rather than wait"
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it is ready")
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


def _served_last(client: Client) -> str:
    for job in reversed(client.ask("GET", "/jobs")):
        if isinstance(job["result"], dict) and job["result"].get("profile"):
            return str(job["result"]["profile"])
    return ""


def run(arguments: argparse.Namespace) -> int:
    client = connect(start=True)
    status = client.ask("GET", "/status")
    check_version(status)
    id_ = arguments.id or status["desired"] or status["profile"] or _served_last(client)
    if not id_:
        raise UsageError(
            "Which profile?",
            hint="`llm-studio list` shows them: llm-studio up ID. Without a model file: up demo.",
        )
    wish = {"model": id_, "beside": arguments.beside, "drain": not arguments.now}
    answer = client.ask("POST", "/switch", wish)
    if answer["job"] and not arguments.no_wait:
        ended_well(follow(client, answer["job"]["id"]))
    status = client.ask("GET", "/status")
    if arguments.json:
        print_json(status)
        return 0
    served = next(
        (each for each in (status, *status["beside"]) if each["profile"] == answer["model"]), status
    )
    if served["state"] == "ready":
        say(f"{served['profile']} is ready at {status['gateway']}")
        narrate("`llm-studio chat` talks to it, `llm-studio logs -f` follows its log.")
    else:
        say(f"{id_}: {served['state']}")
    return 0
