"""The log of the engine, the studio and the gateway. -f follows it."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from llm_studio.cli.output import narrate, say, styled
from llm_studio.cli.studio import connect

_STYLE = {"error": "red", "warning": "yellow", "debug": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    parser.add_argument("-n", "--lines", type=int, default=200, help="how many to begin with (200)")
    parser.add_argument("--source", choices=("engine", "studio", "gateway"), help="only from there")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    page = client.ask("GET", f"/logs?since={-max(min(arguments.lines, 50_000), 1)}&limit=10000")
    _show(page, arguments, first=True)
    while arguments.follow:
        last = page["last"]
        page = client.ask("GET", f"/logs?since={last}&limit=10000&wait=20", timeout=60)
        _show(page, arguments)
        sys.stdout.flush()
    return 0


def _show(page: dict[str, Any], arguments: argparse.Namespace, *, first: bool = False) -> None:
    if page["dropped"] and not first:
        narrate(f"({page['dropped']} lines came faster than they could be kept in memory)")
    for line in page["lines"]:
        if arguments.source and line["source"] != arguments.source:
            continue
        if arguments.json:
            import json

            say(json.dumps(line))
            continue
        clock = time.strftime("%H:%M:%S", time.localtime(line["time"]))
        text = f"{clock} {line['source']:<7} {line['text']}"
        say(styled(text, _STYLE.get(line["level"], "")))
