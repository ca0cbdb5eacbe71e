"""What the UI must know of its terminal: whether it is still there."""

from __future__ import annotations

import asyncio
import os
import sys
import termios

INTERVAL = 2.0


async def until_lost() -> None:
    """Returns once the terminal is gone. Textual itself would spin on it for ever."""
    descriptor = sys.__stdin__.fileno() if sys.__stdin__ else -1
    if descriptor < 0 or not os.isatty(descriptor):
        await asyncio.Event().wait()  # nothing to lose: no terminal from the start
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            termios.tcgetattr(descriptor)
        except (OSError, termios.error):
            return
