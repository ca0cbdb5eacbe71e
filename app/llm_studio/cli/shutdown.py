"""End the studio. The model goes on serving, and the next studio takes it over.

`llm-studio down` stops the model.
"""

from __future__ import annotations

import argparse
import os
import signal

from llm_studio.cli.output import narrate
from llm_studio.cli.studio import connect
from llm_studio.client import Silent
from llm_studio.errors import StudioError
from llm_studio.lock import holder, until_free
from llm_studio.settings import load_settings

PATIENCE = 5
ENDING = 15
"""Seconds for answers, and for the end, of a studio that is well."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop-model", action="store_true", help="stop the model first")


def run(arguments: argparse.Namespace) -> int:
    state = load_settings().paths.state
    client = connect()
    try:
        status = client.ask("GET", "/status", timeout=PATIENCE)
    except Silent:
        pid = holder(state)
        if pid is None:
            raise
        os.kill(pid, signal.SIGKILL)
        narrate("The studio did not answer and was killed; the next one takes over the model.")
        return 0
    if arguments.stop_model:
        client.ask("POST", "/stop?wait=true", timeout=None)
    client.ask("POST", "/shutdown")
    if not until_free(state, ENDING):
        raise StudioError(
            "The studio is still ending",
            why=f"It is process {status['studio']['pid']}.",
            hint="If this stays so:  kill -9 that process; the model goes on.",
        )
    if status["engine"] and not arguments.stop_model:
        narrate(f"The studio ended; {status['profile']} goes on serving without its gateway.")
    return 0
