"""Whether an engine serves, asked of servers that hardly answer."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from llm_studio.engines import health
from llm_studio.engines.base import Running
from llm_studio.engines.health import HealthProbe

pytestmark = pytest.mark.anyio


async def test_a_server_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        ended.set()

    monkeypatch.setattr(health, "LIMIT", 0.2)
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    running = Running("external", "i", "p", f"http://127.0.0.1:{port}", "", 0.0, ())
    probe = HealthProbe()
    async with asyncio.timeout(10):
        told = await probe.ask(running)
    assert (told.ready, told.told) == (False, "it did not answer in time")
    await probe.close()
    await asyncio.wait_for(ended.wait(), 10)
    server.close()
