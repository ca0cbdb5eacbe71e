"""A gateway before a scripted engine, and a client that shows every byte it gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.scripted_upstream import Script, ScriptedUpstream, Wire

from llm_studio.server.gateway import Gateway
from llm_studio.studio.serving.desk import Desk, RequestRecord, Target

ENGINE_KEY = "key-of-the-engine"
CHAT = "/v1/chat/completions"


@dataclass
class Stand:
    gateway: Gateway
    desk: Desk
    upstream: ScriptedUpstream
    port: int = 0
    records: list[RequestRecord] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)

    @property
    def target(self) -> Target:
        return Target(f"http://127.0.0.1:{self.upstream.port}", ENGINE_KEY, "tiny", "1")

    async def ask(self, method: str = "GET", path: str = "/", **more: Any) -> Reply:
        return await ask(self.port, method, path, **more)

    async def chat(self, **asked: Any) -> Reply:
        return await self.ask("POST", CHAT, body=json.dumps(asked).encode())

    async def recorded(self) -> RequestRecord:
        """The next record; it is written just after the client has its answer."""
        async with asyncio.timeout(5):
            while not self.records:
                await asyncio.sleep(0)
        return self.records.pop(0)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool
    """Whether it came to its proper end."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def plain(wire: Wire) -> None:
    await wire.answer(b'{"ok":true}')


@asynccontextmanager
async def stand(
    script: Script = plain, *, ready: bool = True, known: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Stand]:
    async def want(profile: str) -> None:
        made.wanted.append(profile)
        await made.desk.shut(profile)

    desk = Desk(profile_of=lambda name: name if name in known else None, want=want, residence=0.0)
    async with ScriptedUpstream(script) as upstream:
        records: list[RequestRecord] = []
        made = Stand(Gateway(desk, records=records.append, **options), desk, upstream)
        made.records = records
        made.port = await made.gateway.serve("127.0.0.1", 0)
        if ready:
            await desk.open(made.target)
        try:
            async with asyncio.timeout(20):
                yield made
        finally:
            await made.gateway.close()


def head(port: int, method: str, path: str, *headers: str, version: str = "1.1") -> bytes:
    names = [line.partition(":")[0].lower() for line in headers]
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [] if "host" in names else [f"Host: 127.0.0.1:{port}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")


async def ask(
    port: int, method: str, path: str, *headers: str, body: bytes = b"", more: tuple[str, ...] = ()
) -> Reply:
    """One request on a connection of its own."""
    sized = [f"Content-Length: {len(body)}"] if body else []
    if body and not any(line.lower().startswith("content-type") for line in more):
        sized.append("Content-Type: application/json")
    raw = head(port, method, path, "Connection: close", *sized, *headers, *more) + body
    return await exchange(port, raw, method=method)


async def exchange(port: int, raw: bytes, *, method: str = "GET") -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        return await read_reply(reader, method=method)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader, *, method: str = "GET") -> Reply:
    lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = [
        (name, value.strip()) for name, _, value in (each.partition(":") for each in lines[1:])
    ]
    reply = Reply(status, headers, b"", True)
    if method == "HEAD" or status in (204, 304):
        return reply
    if reply.header("Transfer-Encoding") == "chunked":
        body, whole = await _chunked(reader)
    elif length := reply.header("Content-Length"):
        try:
            body, whole = await reader.readexactly(int(length)), True
        except asyncio.IncompleteReadError as error:
            body, whole = error.partial, False
    else:
        body, whole = await reader.read(), True
    return Reply(status, headers, body, whole)


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


async def _chunked(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    body: list[bytes] = []
    try:
        while data := await read_chunk(reader):
            body.append(data)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b"".join(body), False
    return b"".join(body), True
