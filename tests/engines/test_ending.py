"""How processes are ended; what only an engine's needs is proven beside it."""

from __future__ import annotations

import asyncio
import subprocess
from asyncio.subprocess import Process

import psutil
import pytest

from llm_studio.engines import ending
from llm_studio.engines.ending import end_all

pytestmark = pytest.mark.anyio


async def started(script: str) -> tuple[Process, psutil.Process]:
    """A program, and what it started, which holds its output open."""
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", script, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    return child, psutil.Process(int(await child.stdout.readline()))


async def test_all_ends_at_once() -> None:
    child, other = await started("sleep 600 & echo $!; exec sleep 600")
    async with asyncio.timeout(5):
        await end_all(child)
        assert child.returncode is not None
        while other.is_running() and other.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
        await end_all(child)  # again is no error


async def test_what_left_the_session_and_holds_the_output_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "KILLED", 0.1)
    open_before = psutil.Process().num_fds()
    child, other = await started("setsid sh -c 'echo $$; exec sleep 600' & exec sleep 600")
    try:
        async with asyncio.timeout(5):
            await end_all(child)
        assert child.returncode is not None
        assert other.is_running()
    finally:
        other.kill()
    async with asyncio.timeout(5):
        while psutil.Process().num_fds() > open_before:  # nothing is left open then
            await asyncio.sleep(0.01)
