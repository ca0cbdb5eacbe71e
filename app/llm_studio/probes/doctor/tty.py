"""Asks the terminal what it can do, waits for its answers for a moment, and leaves it as it was."""

from __future__ import annotations

import os
import re
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Mapping

from llm_studio.probes.doctor.system import Terminal
from llm_studio.text import untrusted_line

PATIENCE = 1.0
"""Seconds that its answers may take; over a slow link they do."""
_SYNCHRONIZED, _MOUSE = b"\x1b[?2026$p", b"\x1b[?1006$p"
_NAME = b"\x1b[>0q"
_WIDTH = "\r─".encode() + b"\x1b[6n\r\x1b[K"
"""One character of three bytes, where the cursor is after it, and gone again."""
_ATTRIBUTES = b"\x1b[c"
"""Every terminal answers this: what has not come before its answer will not come."""
_END = re.compile(rb"\x1b\[\?[\d;]*c")


def ask_terminal(environment: Mapping[str, str]) -> Terminal | None:
    """None where the output goes to no terminal; not asked where that is not safe."""
    if not sys.stdout.isatty():
        return None
    columns, rows = shutil.get_terminal_size((80, 24))
    # The console and Apple's Terminal print parts of questions that they do not know.
    shy = environment.get("TERM", "dumb") in ("dumb", "linux", "unknown")
    shy = shy or environment.get("TERM_PROGRAM") == "Apple_Terminal"
    if shy:
        return Terminal(columns, rows)
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return Terminal(columns, rows)
    try:
        if os.tcgetpgrp(descriptor) != os.getpgrp():  # in the background: asking would stop us
            return Terminal(columns, rows)
        return understood(columns, rows, _conversation(descriptor))
    except (OSError, termios.error):
        return Terminal(columns, rows)
    finally:
        os.close(descriptor)


def _conversation(descriptor: int) -> bytes:
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSAFLUSH)
        os.write(descriptor, _NAME + _SYNCHRONIZED + _MOUSE + _WIDTH + _ATTRIBUTES)
        heard, deadline = b"", time.monotonic() + PATIENCE
        while not _END.search(heard) and len(heard) < 4096:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                break
            heard += os.read(descriptor, 1024)
        return heard
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)  # and a late answer is dropped


def understood(columns: int, rows: int, heard: bytes) -> Terminal:
    """What the answers mean."""
    position = re.search(rb"\x1b\[\d+;(\d+)R", heard)
    name = re.search(rb"\x1bP>\|([^\x1b]{1,80})", heard)
    return Terminal(
        columns,
        rows,
        answered=bool(_END.search(heard)),
        synchronized=_mode(heard, 2026),
        mouse=_mode(heard, 1006),
        unicode=int(position[1]) == 2 if position else None,
        name=untrusted_line(name[1].decode(errors="replace")) if name else "",
    )


def _mode(heard: bytes, number: int) -> bool | None:
    """Whether a mode is known: 1 to 4 say that it is (4: for ever off)."""
    told = re.search(rb"\x1b\[\?%d;(\d)\$y" % number, heard)
    return told[1] in (b"1", b"2", b"3") if told else None
