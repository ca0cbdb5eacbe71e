"""Ends processes: politely at first, and telling of one that nothing ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import psutil

from llm_studio.engines.base import EngineError

KILLED = 10.0
"""Seconds in which one that was killed ends, unless it hangs in a driver or a disk."""


async def end_child(child: asyncio.subprocess.Process, grace: float) -> None:
    """End a child of this studio; asyncio alone may wait for it, or its exit code is lost."""
    if child.returncode is not None:
        return
    for signal_it, limit in ((child.terminate, grace), (child.kill, KILLED)):
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            signal_it()
            async with asyncio.timeout(limit):
                await child.wait()
        if child.returncode is not None:
            return
    raise _undead(child.pid)


async def end_all(child: asyncio.subprocess.Process) -> None:
    """End a child that leads a session, at once, with what it started in it, which would hold its
    output open: it may be a script."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILLED):
            await child.communicate()  # with full pipes, `wait` would never return


def end(process: psutil.Process, grace: float) -> None:
    """End somebody else's child. Blocks."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
        if not _ended(process, grace):
            process.kill()
            if not _ended(process, KILLED):
                raise _undead(process.pid)


def _undead(pid: int) -> EngineError:
    return EngineError(
        "llama-server cannot be ended",
        why=f"Process {pid} was killed and is still there: it hangs in a driver or a disk.",
        hint="`dmesg` may tell which. It ends when that answers, or with the machine.",
    )


def _ended(process: psutil.Process, limit: float) -> bool:
    """Waits for the end of somebody else's child. One that nobody has buried yet has ended too:
    in containers the first process often buries none."""
    deadline = time.monotonic() + limit
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def exit_code_of(returncode: int) -> int:
    """As a shell tells it: 128 and the signal's number for one that was killed."""
    return 128 - returncode if returncode < 0 else returncode
