"""Run the studio in the foreground. Other commands start one in the background by themselves.

Ctrl-C ends it; the model that it serves goes on, and the next studio takes it over.
"""

from __future__ import annotations

import argparse
import os


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
        os.write(arguments.ready_fd, b"ready\n")
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)  # the reader goes away now
        os.close(arguments.ready_fd)

    with server.only_one(settings):
        asyncio.run(server.run(settings, ready))
    return 0
