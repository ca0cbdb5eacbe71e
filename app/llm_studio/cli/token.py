"""The key for writing over the management API: `Authorization: Bearer $(llm-studio token)`.

Over the studio's socket none is needed; the file's mode is the key.
"""

from __future__ import annotations

import argparse

from llm_studio.cli.output import say
from llm_studio.settings import load_settings


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gateway", action="store_true", help="the key for inference, if gateway_key is set"
    )


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.server.token import gateway_key_of, token_of

    state = load_settings().paths.state
    say(gateway_key_of(state) if arguments.gateway else token_of(state))
    return 0
