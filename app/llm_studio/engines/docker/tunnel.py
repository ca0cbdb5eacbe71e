"""Another machine's Docker socket, brought here by the user's own `ssh`.

The SDK's own SSH cannot be cancelled and breaks under parallel calls; a forwarded socket can do
all that a local one can.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from llm_studio.engines.docker.endpoint import DEFAULT_SOCKET
from llm_studio.engines.docker.seam import Unreachable
from llm_studio.text import untrusted_line

PATIENCE = 15.0
_LOOK = 0.05


class Tunnel:
    """One `ssh` that forwards one socket, for as long as it is open."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self._url = url
        self._environment = dict(environment)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def open(self) -> str:
        """The address of the socket here. Blocks until the other side answers."""
        self.close()
        program = shutil.which("ssh", path=self._environment.get("PATH"))
        if program is None:
            raise Unreachable(f"{self._url} needs ssh", why="There is no `ssh` on this machine.")
        self._folder = Path(tempfile.mkdtemp(prefix="llm-studio-"))
        here = self._folder / "docker.sock"
        errors = self._folder / "errors"
        with errors.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments(self._url, here)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not _answers(here):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                said = errors.read_text("utf-8", "replace").strip().splitlines()
                self.close()
                raise Unreachable(
                    f"{untrusted_line(self._url)} cannot be reached",
                    why=untrusted_line(said[-1]) if said else "ssh did not connect in time.",
                    hint="It must work without a password:  ssh HOST docker version",
                )
            time.sleep(_LOOK)
        return f"unix://{here}"

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def arguments(url: str, here: Path) -> list[str]:
    """What `ssh` is told: to forward, to ask nothing, and to end when it cannot."""
    parts = urlsplit(url)
    there = unquote(parts.path) if len(parts.path) > 1 else str(DEFAULT_SOCKET)
    options = (
        "BatchMode=yes", "ExitOnForwardFailure=yes", "ConnectTimeout=10",
        "ServerAliveInterval=15", "ServerAliveCountMax=3", "StreamLocalBindMask=0177",
    )  # fmt: skip
    return [
        "-nNT",
        *(word for option in options for word in ("-o", option)),
        *(("-l", unquote(parts.username)) if parts.username else ()),
        *(("-p", str(parts.port)) if parts.port else ()),
        *("-L", f"{here}:{there}", "--", parts.hostname or ""),
    ]


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        probe.connect(str(path))
        return True
    return False
