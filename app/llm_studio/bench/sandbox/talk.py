"""Hands a job over, and reads until it ends, takes too long, or says too much.

It blocks, with a limit on every wait: asyncio's pipes stop being read when they are full, and then
the end of a process that floods them is waited for in vain.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from llm_studio.bench.sandbox import job as limits
from llm_studio.bench.sandbox.job import Job

PIECE = 1 << 16


def talk(
    wire: socket.socket, job: Job, told_in: Callable[[bytearray], bytes]
) -> tuple[bytes, bool]:
    """What was told, and whether the time was over; `told_in` takes it off the raw bytes."""
    deadline = time.monotonic() + job.seconds
    wire.settimeout(job.seconds)
    with contextlib.suppress(ConnectionError):  # it may end before it has read everything
        wire.sendall(job.payload())
        wire.shutdown(socket.SHUT_WR)
    raw, told = bytearray(), bytearray()
    while len(told) < limits.OUTPUT:
        left = deadline - time.monotonic()
        if left <= 0:
            return bytes(told), True
        wire.settimeout(left)
        try:
            part = wire.recv(PIECE)
        except TimeoutError:
            return bytes(told), True
        if not part:
            break
        raw += part
        told += told_in(raw)
    return bytes(told), False
