"""Starts the terminal UI: something to see first, then the imports."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from llm_studio.place import socket_path
from llm_studio.tui import colours, skeleton

if TYPE_CHECKING:
    from llm_studio.settings import Settings


def main(settings: Settings, *, theme: str = "") -> int:
    """The UI in this terminal, until it is left; its exit code."""
    wanted = theme or settings.theme
    skeleton.paint(colours.suited(os.environ) if wanted == "auto" else wanted, os.environ)
    gc.disable()  # nothing of what the start makes is garbage; the app enables it
    try:
        from llm_studio.tui import ahead

        studio = socket_path(settings.paths.state)
        asked = ahead.ask(studio)
        tune_textual(os.environ)
        from llm_studio.tui.app import StudioApp
        from llm_studio.tui.wire import Wire

        app = StudioApp(settings, theme=theme, wire=Wire(studio, asked))
        app.plain_output = settings.plain_output
        app.run()
        return app.return_code or 0
    finally:
        gc.enable()
        skeleton.clear()


def tune_textual(environment: MutableMapping[str, str]) -> None:
    """What Textual reads when it is imported. A change is drawn within 4 ms, not only with the next
    60th of a second: keys are answered sooner, and what comes together is still drawn together.
    So is Esc, and a key right after it is that key: within 100 ms it would be Alt with it.

    Over a network nothing is animated, and the mouse does not tell of every pixel.
    """
    environment.setdefault("TEXTUAL_FPS", "250")
    environment.setdefault("ESCDELAY", "50")
    if "SSH_CONNECTION" in environment or "MOSH_CONNECTION" in environment:
        environment.setdefault("TEXTUAL_ANIMATIONS", "none")
        environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


def possible() -> bool:
    """Whether there is a terminal to draw on, and one to read keys from."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
