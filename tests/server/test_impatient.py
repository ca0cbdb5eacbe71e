"""Slow clients of the management API: hung up on, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from llm_studio.server import impatient, run
from llm_studio.server.access import Access

pytestmark = pytest.mark.anyio
STATUS = b"GET /status HTTP/1.1\r\nHost: studio\r\n\r\n"


class Answering:
    """An application whose answers come when they may."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.go.wait()
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def app() -> Answering:
    return Answering()


@pytest.fixture
async def port(app: Answering, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(impatient, "HEADER_SECONDS", 0.1)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(run._server(Access(app), listener))
    yield listener.getsockname()[1]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    listener.close()


@pytest.mark.parametrize("start", [b"", b"GET /status HTTP/1.1\r\nX-A: "])
@pytest.mark.parametrize("after", [b"", STATUS])
async def test_headers_must_come_in_time(port: int, start: bytes, after: bytes) -> None:
    """Of the first request and of later ones, and no drip of bytes puts it off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        if after:
            writer.write(after)
            assert b"200 OK" in await reader.readuntil(b"ok")
            start = start or b"G"
        writer.write(start)
        closed = asyncio.create_task(reader.read())
        while not closed.done():
            if start:
                writer.write(b"x")
            await asyncio.wait([closed], timeout=0.02)
    with contextlib.suppress(ConnectionError):
        assert await closed == b""
    writer.close()


async def test_an_answer_may_take_longer(port: int, app: Answering) -> None:
    app.go.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(STATUS)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.3)
    app.go.set()
    async with asyncio.timeout(10):
        assert b"200 OK" in await reader.readuntil(b"ok")
    writer.close()


async def test_a_crowd_that_says_nothing_keeps_nobody_out(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impatient, "MOST_CONNECTIONS", 20)
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:  # a few are hung up on at once, the others when their time is over
            with contextlib.suppress(httpx.TransportError):
                answer = await client.get(f"http://127.0.0.1:{port}/status")
                break
    assert answer.status_code == 200
    for _, writer in crowd:
        writer.close()
