"""The command in a process of its own: in a pipe, or in a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

COMMAND = (sys.executable, "-m", "llm_studio")


def run_in_pipe(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )


def run_in_terminal(
    *words: str,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
    errors: bool = True,
) -> tuple[int, str]:
    """Exit code and everything that a terminal of so many columns receives."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave if errors else subprocess.DEVNULL,
        env={name: value for name, value in environment.items() if name != "COLUMNS"},
        start_new_session=True,
    )
    os.close(slave)
    received = b""
    try:
        while part := os.read(master, 65536):
            received += part
    except OSError:  # how Linux tells that the other side closed
        pass
    finally:
        os.close(master)
    return process.wait(timeout=60), received.decode().replace("\r\n", "\n")
