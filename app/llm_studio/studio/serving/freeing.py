"""Waits until a GPU's memory is really free: a driver gives it back after the process is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from llm_studio.models.memory import GiB, MiB

LIMIT = 20.0
SETTLED = 1.0
"""Seconds without a change after which no more is coming."""
LOOK = 0.1
NEAR = 256 * MiB

Free = Callable[[], Mapping[str, int]]
"""Bytes that are free, by GPU; the host's, which never rest, under "". May block."""


async def until_free(free: Free, expected: Mapping[str, int]) -> str:
    """Returns once each GPU has about as much free as expected, or no more comes: then it says
    what is missing."""
    begun = changed = time.monotonic()
    seen: Mapping[str, int] = {}
    while True:
        now = {gpu: size for gpu, size in (await asyncio.to_thread(free)).items() if gpu}
        missing = {gpu: size - now[gpu] for gpu, size in expected.items() if gpu in now}
        missing = {gpu: size for gpu, size in missing.items() if size > NEAR}
        if not now or (expected and not missing):
            return ""
        moment = time.monotonic()
        if any(abs(size - seen.get(gpu, 0)) > MiB for gpu, size in now.items()):
            seen, changed = now, moment
        if moment - changed > SETTLED or moment - begun > LIMIT:
            return ", ".join(f"{size / GiB:.1f} GiB of {gpu}" for gpu, size in missing.items())
        await asyncio.sleep(LOOK)
