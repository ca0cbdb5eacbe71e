"""The log of the engine, the studio and the gateway.

-f follows it, and goes on with the next studio when this one ends; Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import threading
import time
from collections import deque
from typing import Any

from llm_studio.cli.output import narrate, say, styled
from llm_studio.cli.studio import connect
from llm_studio.client import Client, Ended, Unreachable
from llm_studio.errors import NotReady
from llm_studio.settings import load_settings

PAGE = 10_000
AGAIN = 0.5
_STYLE = {"error": "red", "warning": "yellow", "debug": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    parser.add_argument("-n", "--lines", type=int, default=200, help="how many to begin with (200)")
    parser.add_argument("--source", choices=("engine", "studio", "gateway"), help="only from there")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    if arguments.follow:
        threading.Thread(target=_end_with_the_reader, daemon=True).start()
    client = connect()
    count = max(min(arguments.lines, 50_000), 1)
    try:
        if arguments.source:
            page = _last_from(arguments.source, count, client)
        else:
            page = client.ask("GET", f"/logs?since={-count}&limit={PAGE}")
    except Unreachable as error:
        files = load_settings().paths.state / "logs"
        if files.exists():
            raise NotReady(error.what, hint=f"What earlier ones wrote is in {files}.") from error
        raise
    _show(page, arguments, first=True)
    while arguments.follow or len(page["lines"]) == PAGE:
        wait = 20 if arguments.follow else 0
        route = f"/logs?since={page['last']}&limit={PAGE}&wait={wait}"
        try:
            page = client.ask("GET", route, timeout=60)
        except (Ended, Unreachable):
            narrate("The studio ended; the log goes on with the next one.")
            page = _of_the_next(client)
        _show(page, arguments)
    return 0


def _last_from(source: str, count: int, client: Client) -> dict[str, Any]:
    """So many lines of one source, however many others lie between."""
    lines: deque[dict[str, Any]] = deque(maxlen=count)
    page = dict(client.ask("GET", f"/logs?since=0&limit={PAGE}"))
    lines.extend(each for each in page["lines"] if each["source"] == source)
    while len(page["lines"]) == PAGE:
        page = dict(client.ask("GET", f"/logs?since={page['last']}&limit={PAGE}"))
        lines.extend(each for each in page["lines"] if each["source"] == source)
    return {**page, "lines": list(lines)}


def _of_the_next(client: Client) -> dict[str, Any]:
    """The log of the studio that comes, from its beginning; numbers begin anew with it."""
    while True:
        with contextlib.suppress(Ended, Unreachable):
            return dict(client.ask("GET", f"/logs?since=0&limit={PAGE}"))
        time.sleep(AGAIN)


def _end_with_the_reader() -> None:
    """`logs -f | head` ends with `head`, though no further line comes to notice it by."""
    reader = select.poll()
    with contextlib.suppress(OSError, ValueError):
        reader.register(sys.stdout.fileno(), 0)  # that nobody reads any more is told unasked
        reader.poll()
        os._exit(0)


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
    sys.stdout.flush()  # whoever reads a pipe wants them now
