"""The sandbox where there is no Docker: namespaces and limits by bubblewrap."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

from llm_studio.bench.sandbox.job import WORKER, Job, Outcome, SandboxFault, read_outcome
from llm_studio.bench.sandbox.talk import talk

PYTHON = "/usr/bin/python3"
PROCESSES = 64
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin")


def command(bwrap: str) -> list[str]:
    """Nothing of the host but its programs, to be read; no network, no rights."""
    words = [
        bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
        "--new-session", "--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534",
        "--setenv", "PATH", "/usr/bin", "--setenv", "OPENBLAS_NUM_THREADS", "1",
        "--proc", "/proc", "--dev", "/dev", "--size", str(64 << 20), "--tmpfs", "/tmp",
    ]  # fmt: skip
    for folder in SYSTEM:
        path = Path(folder)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), folder]
        elif path.is_dir():
            words += ["--ro-bind", folder, folder]
    words += ["--remount-ro", "/", "--chdir", "/tmp"]
    return [*words, PYTHON, "-I", "-c", WORKER, str(PROCESSES)]


class BubblewrapSandbox:
    name = "bubblewrap"

    def __init__(self, bwrap: str) -> None:
        self._command = command(bwrap)

    @classmethod
    async def here(cls) -> BubblewrapSandbox | None:
        """None where it is not installed, or this system does not let it work."""
        bwrap = shutil.which("bwrap")
        if bwrap is None or not os.access(PYTHON, os.X_OK):
            return None
        made = cls(bwrap)
        try:
            outcome = await made.run(Job("def one(): return 1", "one", [[]], [5.0]))
        except SandboxFault:
            return None
        return made if outcome.values == [1] else None

    async def run(self, job: Job) -> Outcome:
        try:
            raw, timed_out = await asyncio.to_thread(self._run, job)
        except OSError as error:
            raise SandboxFault("The sandbox failed", why=str(error)) from error
        return read_outcome(raw, len(job.inputs), timed_out=timed_out)

    def _run(self, job: Job) -> tuple[bytes, bool]:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = subprocess.Popen(
                    self._command, stdin=theirs.fileno(), stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            try:
                return talk(ours, job, _all_of)
            finally:
                process.kill()  # and all that it started dies with it
                process.wait()

    async def close(self) -> None:
        """Nothing is kept."""


def _all_of(raw: bytearray) -> bytes:
    told = bytes(raw)
    raw.clear()
    return told
