"""One client's connection: bounded headers, a deadline for them, and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from llm_studio.server.dialect import Dialect, error_answer
from llm_studio.studio.serving.desk import Refusal

MAX_LINE = 16_384
MAX_HEADERS = 65_536
HEADER_SECONDS = 10.0
LINGER_SECONDS = 3.0
"""How long what a refused client still sends is read, so that it gets to see the refusal."""

silent = logging.getLogger("llm_studio.gateway.http")
silent.addHandler(logging.NullHandler())  # what clients do wrong is no news on a terminal
silent.propagate = False


class Connection(web.RequestHandler):
    """aiohttp's connection, which has no deadline for slow headers and no bound for all of them."""

    __slots__ = ("_header_bytes", "_header_seconds", "_most", "_open", "_server", "_timer")

    def __init__(
        self, server: web.Server, *, most: int, header_seconds: float, keepalive: float
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp logs nothing
            logger=silent,
            keepalive_timeout=keepalive,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            auto_decompress=False,
        )
        self._server = server
        self._most = most
        self._header_seconds = header_seconds
        self._header_bytes = 0
        self._open = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > self._most:
            self._end(Refusal(503, "Too many connections are open", retry_after=5))
            return
        self._await_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        arrived = self._request_count - before
        if arrived:
            self._open += arrived
            self._header_bytes = 0
            self._stop_timer()
        elif not self._open and data:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADERS:
                self._end(Refusal(431, "The request's headers are too large"))
            elif self._timer is None:
                self._await_headers()

    def handled(self) -> None:
        """A request was answered, and all of it was read: what comes next are headers."""
        self._open -= 1

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp refuses by itself: requests that are not well formed."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer is under way already")
        if isinstance(exc, LineTooLong) or "Too many headers" in str(message):
            refusal = Refusal(431, "The request's headers are too large")
        elif status < 500:
            refusal = Refusal(status, "The request is not well-formed HTTP")
        else:
            refusal = Refusal(status, "The gateway failed at this request")
        answer = error_answer(refusal, Dialect.LLAMA)
        response = web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        response.force_close()
        return response

    def _await_headers(self) -> None:
        if self.transport is not None:
            self._timer = asyncio.get_running_loop().call_later(self._header_seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        if not self._open:
            self._end(Refusal(408, "The request's headers did not come in time"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, refusal: Refusal) -> None:
        """Refuse outside of any request, and hang up."""
        self._stop_timer()
        if self.transport is not None:
            answer = error_answer(refusal, Dialect.LLAMA)
            head = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
            head += [f"{name}: {value}" for name, value in answer.headers.items()]
            head += [f"Content-Length: {len(answer.body)}", "Connection: close", "", ""]
            self.transport.write("\r\n".join(head).encode("ascii") + answer.body)
        self.force_close()
