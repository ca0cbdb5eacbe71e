"""Run the studio in the foreground. Other commands start one in the background by themselves.

Ctrl-C ends it; the model that it serves goes on, and the next studio takes it over.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from pathlib import Path


def options(parser: argparse.ArgumentParser) -> None:
    # Whoever started us in the background reads there that we answer.
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    import asyncio
    import gc

    gc.disable()  # till it runs: nothing that a start makes is garbage
    from llm_studio.cli.output import narrate
    from llm_studio.server import run as server
    from llm_studio.settings import load_settings
    from llm_studio.studio.studio import Studio

    settings = load_settings()

    def ready(studio: Studio) -> None:
        # What was made so far stays; to look through it again and again would cost 0.1 s each time.
        gc.freeze()
        gc.enable()
        if arguments.ready_fd is None:
            narrate(
                f"Gateway {studio.gateway}, management API {studio.api}. Ctrl-C ends the studio."
            )
            return
        with contextlib.suppress(OSError):  # who started it has gone by now, and it goes on
            os.write(arguments.ready_fd, b"ready\n")
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)  # the reader goes away now
        os.close(arguments.ready_fd)

    with contextlib.ExitStack() as stack:
        if not _claimed(stack, settings.paths.state, arguments.ready_fd):
            return 0
        asyncio.run(server.run(settings, ready))
    return 0


def _claimed(stack: contextlib.ExitStack, state: Path, ready_fd: int | None) -> bool:
    """Whether this is the studio of the home now. One that a command started in the background
    leaves that to another which was faster, and waits for one that is ending."""
    from llm_studio.client import START_LIMIT, Client, Ended, Unreachable
    from llm_studio.errors import NotReady
    from llm_studio.lock import only_one
    from llm_studio.place import socket_path

    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            stack.enter_context(only_one(state))
        except NotReady:
            if ready_fd is None or time.monotonic() > deadline:
                raise
            with contextlib.suppress(Ended, Unreachable):
                Client(socket_path(state)).ask("GET", "/status")
                os.write(ready_fd, b"ready\n")
                return False
        else:
            return True
