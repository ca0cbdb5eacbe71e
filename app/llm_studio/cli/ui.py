"""The terminal UI: everything in one screen. `llm-studio` alone opens it too.

Leaving it (q) leaves the model serving, unless you choose otherwise.
"""

from __future__ import annotations

import argparse

from llm_studio.errors import UsageError
from llm_studio.settings import load_settings
from llm_studio.tui import start


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--theme", choices=("auto", "dark", "light", "terminal"), default="", help="its colours"
    )


def run(arguments: argparse.Namespace) -> int:
    if not start.possible():
        raise UsageError(
            "There is no terminal to draw on",
            hint="In pipes and scripts: `llm-studio list`, `status`, `up` …",
        )
    return start.main(load_settings(), theme=arguments.theme)
