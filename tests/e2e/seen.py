"""Engines as the system sees them, whatever the studio says of them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from dataclasses import dataclass

import psutil

from llm_studio.engines.docker.container import name_of

LIMIT = 60.0
"""Seconds for whatever is waited for: far more than it ever takes."""


@dataclass(frozen=True)
class ProcessHandle:
    pid: int

    @property
    def alive(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until_gone(self.pid)

    def command_line(self) -> str:
        return " ".join(psutil.Process(self.pid).cmdline())


@dataclass(frozen=True)
class ContainerHandle:
    instance: str

    @property
    def name(self) -> str:
        return name_of(self.instance)

    @property
    def alive(self) -> bool:
        return self.name in docker("ps", "--format", "{{.Names}}").split()

    def kill(self) -> None:
        docker("kill", "--signal", "KILL", self.name)

    def remove(self) -> None:
        docker("rm", "--force", self.name)

    def command_line(self) -> str:
        return docker("inspect", self.name) + docker("top", self.name, "-eo", "pid,args")


def docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until_gone(pid: int) -> None:
    """Returns when a process has ended, whoever its parent is."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], LIMIT)[0], f"process {pid} does not end"
    finally:
        os.close(watched)
