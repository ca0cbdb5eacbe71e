"""Who waits for news: each of them is woken by the next, or goes on when its time is up."""

from __future__ import annotations

import asyncio
import contextlib


class Waiters:
    """Those that wait for one thing."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def wake(self) -> None:
        for event in self._events:
            event.set()

    async def wait(self, limit: float) -> None:
        """Returns at the next news, or after so many seconds."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await event.wait()
        finally:
            self._events.discard(event)
