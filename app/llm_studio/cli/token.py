"""The key for writing over the management API: `Authorization: Bearer $(llm-studio token)`.

Over the studio's socket none is needed; the file's mode is the key.
"""

from __future__ import annotations

import argparse

from llm_studio.cli.output import say
from llm_studio.settings import load_settings


def options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults()


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.server.token import token_of

    say(token_of(load_settings().paths.state))
    return 0
