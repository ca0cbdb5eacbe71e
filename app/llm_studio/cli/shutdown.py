"""End the studio. The model goes on serving, and the next studio takes it over.

`llm-studio down` stops the model.
"""

from __future__ import annotations

import argparse

from llm_studio.cli.output import narrate
from llm_studio.cli.studio import connect


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop-model", action="store_true", help="stop the model first")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    status = client.ask("GET", "/status")
    if arguments.stop_model:
        client.ask("POST", "/stop?wait=true", timeout=None)
    client.ask("POST", "/shutdown")
    _wait_gone(status["studio"]["pid"])
    if status["engine"] and not arguments.stop_model:
        narrate(f"The studio ended; {status['profile']} goes on serving without its gateway.")
    return 0


def _wait_gone(pid: int) -> None:
    import psutil

    try:
        psutil.Process(pid).wait(timeout=15)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        narrate(f"The studio (pid {pid}) is still ending.")
