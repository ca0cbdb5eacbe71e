"""Sends a request on to the engine, and its answer back byte for byte as it comes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from llm_studio.server.body import Body
from llm_studio.studio.serving.desk import Refusal, Target

CONNECT_SECONDS = 5.0
CLIENT_SECONDS = 600.0
"""A client that takes nothing of its answer for so long is gone, though its connection is there:
it keeps the engine from being unloaded."""
AT_ONCE = 16 << 10
"""Bytes that a connection takes without waiting, if nothing else waits there."""
KEEPALIVE_SECONDS = 2.0
"""Less than the engine's five, so that a kept connection is seldom found closed."""

_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    " transfer-encoding upgrade".split()
)
_REPLACED = _HOP_BY_HOP | {"host", "authorization", "x-api-key", "expect"}
_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What aiohttp would add of its own."""


class Watcher(Protocol):
    """Is told of the answer in passing."""

    def answered(self, status: int, content_type: str) -> None: ...

    def passed(self, data: bytes) -> None: ...

    def broke_off(self) -> None: ...


class Upstream:
    """The way to the engine, with kept connections."""

    def __init__(self, name: str = "") -> None:
        """`name` is told to servers of others, which may be this very gateway."""
        self._name = name
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            skip_auto_headers=_OURS,
            auto_decompress=False,
            trust_env=False,
            trace_configs=[trace],
            max_line_size=65_536,
            max_field_size=65_536,
        )

    async def close(self) -> None:
        await self._session.close()

    async def forward(
        self,
        request: web.BaseRequest,
        target: Target,
        body: Body | bytes | None,
        watcher: Watcher,
    ) -> web.StreamResponse:
        """The engine's answer, sent; Refusal if there is none. Cancelling it frees the engine."""
        try:
            answer = await self._ask(request, target, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(body, Body) and body.refusal is not None:
                raise body.refusal from None
            raise Refusal(
                502,
                "The engine did not answer" if _unreachable(error) else "The engine broke off",
                hint="`llm-studio status` and `llm-studio logs` say more.",
                retry_after=2,
            ) from None
        try:
            return await _relay(request, answer, watcher)
        finally:
            answer.close()  # an unfinished answer is cut off; one that ended is in the pool by now

    async def _ask(
        self, request: web.BaseRequest, target: Target, body: Body | bytes | None
    ) -> aiohttp.ClientResponse:
        url = URL(target.address.rstrip("/") + request.raw_path, encoded=True)
        headers = _request_headers(request, target)
        if target.model:
            headers.add("Via", f"1.1 {self._name}")
        if isinstance(body, bytes) and "Content-Length" in headers:
            headers["Content-Length"] = str(len(body))
        trial = SimpleNamespace(reused=False)
        while True:
            try:
                return await self._session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    trace_request_ctx=trial,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # The engine closed a kept connection just as we took it: it saw nothing of this.
                if not trial.reused or isinstance(body, Body):
                    raise
                trial = SimpleNamespace(reused=False)


async def _relay(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, watcher: Watcher
) -> web.StreamResponse:
    watcher.answered(answer.status, answer.headers.get("Content-Type", ""))
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=_without_hops(answer.headers)
    )
    await response.prepare(request)
    content = answer.content
    while True:
        try:
            data = await content.readany()
        except (aiohttp.ClientError, OSError):
            watcher.broke_off()
            # No proper end: the client must not take what it has for all of it.
            request.protocol.force_close()
            return response
        if not data:
            return response
        watcher.passed(data)
        await _pass_on(request, response, data)


async def _pass_on(request: web.BaseRequest, response: web.StreamResponse, data: bytes) -> None:
    """Waits while the client does not read: nothing piles up here."""
    transport = request.transport
    if len(data) < AT_ONCE and transport is not None and not transport.get_write_buffer_size():
        await response.write(data)  # it keeps up, as nearly all do: a limit for each would cost
        return
    try:
        async with asyncio.timeout(CLIENT_SECONDS):
            await response.write(data)
    except TimeoutError:
        if transport is not None:
            transport.abort()  # `close` would wait for what it did not take
        raise ConnectionResetError("The client takes nothing of its answer") from None


def _request_headers(request: web.BaseRequest, target: Target) -> CIMultiDict[str]:
    headers = _without(request.headers, _REPLACED)
    if target.key:
        headers["Authorization"] = f"Bearer {target.key}"
    return headers


def _without_hops(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return _without(headers, _HOP_BY_HOP)


def _without(headers: CIMultiDictProxy[str], left_out: frozenset[str]) -> CIMultiDict[str]:
    """The headers that go on; those that Connection names are for this hop alone."""
    for value in headers.getall("Connection", ()):
        left_out |= {name.strip().lower() for name in value.split(",")} - {"content-length"}
    return CIMultiDict((n, value) for n, value in headers.items() if n.lower() not in left_out)


def _unreachable(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError | TimeoutError | asyncio.TimeoutError)


async def _reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True
