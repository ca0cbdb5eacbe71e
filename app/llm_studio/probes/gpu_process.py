"""The studio's end of the process that reads the GPUs: started when needed, replaced if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_studio.schema import GpuSample

COMMAND = (sys.executable, "-m", "llm_studio.probes.gpu_child")
PATIENCE = 30.0
"""Seconds without an answer after which the process counts as hung."""
LONGEST = 4 << 20
TRY_AGAIN = (0.0, 5.0, 10.0, 30.0)
"""Pauses before another process is started, one after the other."""
NOTHING_HERE = 300.0
"""Seconds until a machine without GPUs is looked at again."""


class Gpus(BaseModel):
    """What was read, and what is wrong with drivers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: tuple[GpuSample, ...]
    notes: tuple[str, ...]


NOTHING = Gpus(gpus=(), notes=())


class GpuReader:
    """One reading at a time; nothing runs while nobody asks."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._next_start = 0.0
        self._failures = 0
        self.last = NOTHING

    async def read(self) -> Gpus:
        """The GPUs now; the last known, all stale, while none can be read."""
        if self._process is None and time.monotonic() < self._next_start:
            return self.last
        try:
            self.last = await self._ask()
        except (OSError, ValueError, TimeoutError, ValidationError) as error:
            returncode = await self._end()
            self._failed(returncode, error)
            if returncode == 0 and self._failures == 1:
                return await self.read()  # it ended so that another loads the library anew
        else:
            self._failures = 0
            if not self.last.gpus and not self.last.notes:
                await self._end()
                self._next_start = time.monotonic() + NOTHING_HERE
        return self.last

    async def _ask(self) -> Gpus:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=LONGEST,
                start_new_session=True,  # Ctrl-C is meant for the studio, which ends it
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        if not line:
            raise BrokenPipeError("it ended")
        return Gpus.model_validate_json(line)

    def _failed(self, returncode: int | None, error: Exception) -> None:
        pause = TRY_AGAIN[min(self._failures, len(TRY_AGAIN) - 1)]
        self._failures += 1
        self._next_start = time.monotonic() + pause
        stale = tuple(gpu.model_copy(update={"stale": True}) for gpu in self.last.gpus)
        if returncode == 0:
            self.last = Gpus(gpus=stale, notes=self.last.notes)
            return
        if isinstance(error, TimeoutError):
            why = f"The GPU driver did not answer for {PATIENCE:.0f} s"
        elif returncode is not None and returncode < 0:
            why = f"The GPU driver crashed the process that asked it ({_name(-returncode)})"
        else:
            why = f"The GPUs cannot be read: {error or type(error).__name__}"
        told = f"{why}. It is tried again; `nvidia-smi` may tell more."
        self.last = Gpus(gpus=stale, notes=(told,))

    async def rest(self) -> None:
        """Nobody wants to know: let go of the driver, so that GPUs can sleep or be reset."""
        await self._end()

    async def _end(self) -> int | None:
        """The exit code of what ran; None if it had to be killed, or hangs in the driver."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(process.wait(), 1.0)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1.0)
        return None


def _name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
