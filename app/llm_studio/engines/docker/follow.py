"""Reads one stream of a container's log in a thread of its own, as fast as Docker gives it.

Docker forgets, silently, what a slow reader leaves with it; here, what is left is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

from llm_studio.engines.base import RawLine
from llm_studio.engines.docker.frames import records
from llm_studio.engines.docker.records import Assembler

ROOM = 16 << 20
"""Characters that wait to be taken, the newest; the studio's log holds no more either."""
_CUT = (OSError, ValueError, AttributeError, struct.error)
"""What the SDK's stream raises when its connection is cut in the middle of a record."""


class Follower:
    """A stream of records from the moment it is opened till it ends or is closed."""

    def __init__(self, open_stream: Callable[[], Any], assembler: Assembler) -> None:
        self._open = open_stream
        self._assembler = assembler
        self._room = threading.Lock()
        self._waiting: deque[tuple[list[RawLine], int]] = deque()
        self._size = 0
        self._left_out = 0
        self._stream: Any = None
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._filled = asyncio.Event()

    async def batches(self) -> AsyncGenerator[list[RawLine], None]:
        """Lines as they come, many at once when they come fast."""
        loop = asyncio.get_running_loop()

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._filled.set)

        reader = threading.Thread(
            target=self._read, args=(notify,), name="container-log", daemon=True
        )
        reader.start()
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                with self._room:
                    taken, self._waiting, self._size = self._waiting, deque(), 0
                    left_out, self._left_out = self._left_out, 0
                    ended = self._ended
                if left_out:
                    first = taken[0][0]
                    gap = f"{left_out} lines of the engine are left out here: "
                    gap += "it writes faster than they can be read"
                    first[0] = replace(first[0], gap=gap, missing=left_out)
                for lines, _ in taken:
                    yield lines
                if ended:
                    if self._error is not None:
                        raise self._error
                    return
        finally:
            self.close()

    def close(self) -> None:
        """End the reader, wherever it waits."""
        with self._room:
            self._closed = True
            stream = None if self._ended else self._stream
        if stream is not None:
            # Of the stream and not of its response: that one dead-locks while a read goes on.
            with contextlib.suppress(*_CUT):
                stream.close()

    def _read(self, notify: Callable[[], None]) -> None:
        try:
            stream = self._open()
            with self._room:
                self._stream = stream
                closed = self._closed
            if closed:
                stream.close()
                return
            with contextlib.suppress(*_CUT):
                for batch in records(stream):
                    lines = self._assembler.take(batch)
                    if lines and not self._put(lines, notify):
                        return
        except Exception as error:  # raised again by who takes the lines
            self._error = error
        finally:
            with self._room:
                self._ended = True
            if self._stream is not None:
                # The SDK shuts the socket and leaves it open; only its own reader may do this.
                self._stream._response.close()
            notify()

    def _put(self, lines: list[RawLine], notify: Callable[[], None]) -> bool:
        size = sum([len(line.text) + 64 for line in lines])
        with self._room:
            first = not self._waiting
            self._waiting.append((lines, size))
            self._size += size
            while self._size > ROOM and len(self._waiting) > 1:
                oldest, size = self._waiting.popleft()
                self._size -= size
                self._left_out += len(oldest)
            closed = self._closed
        if first:
            notify()
        return not closed
