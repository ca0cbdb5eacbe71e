"""The gateway: one stable address for inference, whichever model runs behind it."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from pydantic_core import from_json

from llm_studio.errors import StudioError, UsageError
from llm_studio.server.body import Body, too_large
from llm_studio.server.capture import MOST, Capture
from llm_studio.server.connection import HEADER_SECONDS, Connection
from llm_studio.server.dialect import Dialect, dialect_of, error_answer
from llm_studio.server.renaming import MODEL_FIRST, named_for
from llm_studio.server.security import (
    LOOPBACK,
    check_host,
    check_key,
    check_origin,
    is_loopback,
    own_origins,
    session_of,
)
from llm_studio.server.upstream import Upstream
from llm_studio.server.watch import Watch
from llm_studio.studio.serving.desk import Desk, Refusal, RequestRecord, Target
from llm_studio.studio.serving.reception import Reception
from llm_studio.text import untrusted_line

MAX_BODY = 64 * 2**20
BODY_SECONDS = 60.0
"""How long a client may send nothing in the midst of a body."""
MAX_CONNECTIONS = 512
KEEPALIVE_SECONDS = 75.0

_INFERENCE = re.compile(
    r"(?:/v1)?/(?:chat/completions|completions?|infill|messages|responses|embeddings?"
    r"|rerank(?:ing)?|audio/transcriptions)|/api/chat"
)
_COUNTING = re.compile(r"/v1/(?:messages/count_tokens|responses/input_tokens)|/(?:de)?tokenize")
_HEALTH = ("/health", "/v1/health")
_MODELS = ("/models", "/v1/models")
_PAGE = re.compile(r"/(?:[\w.\-/]+\.(?:html|js|css|svg|png|ico|woff2|webmanifest))?")
"""The web UI itself, which holds no secret: a browser has no key before it shows the page."""
_log = logging.getLogger(__name__)


class Gateway:
    """Takes requests, asks the desk for a place at the engine, and passes all bytes on."""

    def __init__(
        self,
        desk: Desk | Reception,
        *,
        records: Callable[[RequestRecord], None],
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        key: str | None = None,
        profiles: Callable[[], list[dict[str, Any]]] | None = None,
        capture: Capture | None = None,
        max_body: int = MAX_BODY,
        max_connections: int = MAX_CONNECTIONS,
        header_seconds: float = HEADER_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """`allowed_hosts` adds `name:port`, or a bare name with any port, to the loopback ones."""
        self._desk = desk
        self._records = records
        self._hosts = LOOPBACK | frozenset(host.lower() for host in allowed_hosts)
        self._away = False
        self._name = f"llm-studio-{secrets.token_hex(6)}"
        self._origins = frozenset(origin.lower() for origin in allowed_origins)
        self._key = key
        self._profiles = profiles
        self._capture = capture
        self._max_body = max_body
        self._max_connections = max_connections
        self._header_seconds = header_seconds
        self._body_seconds = body_seconds
        self._upstream: Upstream | None = None
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def serve(self, host: str = "127.0.0.1", port: int = 8080) -> int:
        """Listen, and return the port; 0 takes any that is free."""
        if not is_loopback(host) and not self._key:
            raise UsageError(
                f"The gateway would listen on {host} without a key",
                hint="Set gateway_key = true, or let it listen on 127.0.0.1.",
            )
        self._server = web.Server(self._handle, handler_cancellation=True)
        connection = functools.partial(
            Connection,
            self._server,
            most=self._max_connections,
            header_seconds=self._header_seconds,
            keepalive=KEEPALIVE_SECONDS,
        )
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(connection, host.strip("[]"), port)
        except OSError as error:
            raise StudioError(
                f"The gateway cannot listen on {host}:{port}",
                why=f"{error.strerror or error}.",
                hint=f"Set another port:  llm-studio config gateway_port {port + 100} "
                "(0: any free one).",
            ) from None
        self._away = not is_loopback(host)
        self._upstream = Upstream(self._name)
        return int(self._listener.sockets[0].getsockname()[1])

    async def close(self, *, grace: float = 0.0) -> None:
        """Take no more connections, give answers under way the grace, then cut them."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.shutdown(max(grace, 0.01))  # 0 would be no limit at all
        if self._listener is not None:
            await self._listener.wait_closed()
        if self._upstream is not None:
            await self._upstream.close()
        if self._capture is not None:
            await self._capture.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        try:
            return await self._admit(request)
        except StudioError as error:
            return _error(request, error)
        except ConnectionError:  # the client's; the engine's are refusals
            connection.force_close()
            return web.Response(status=499, reason="Client Closed Request")
        except Exception as error:
            # Its kind alone: the text of an exception may hold what was asked.
            _log.error("%s at %s", type(error).__name__, untrusted_line(request.path))
            if request.writer.output_size:
                connection.force_close()
            return _error(request, Refusal(500, "The gateway failed at this request"))
        finally:
            if request.content.is_eof():
                connection.handled()

    async def _admit(self, request: web.BaseRequest) -> web.StreamResponse:
        self._check(request)
        path, look = request.path, request.method in ("GET", "HEAD")
        if look and path in _MODELS and self._profiles is not None and not self._ready():
            return web.json_response(_listing(self._profiles()))
        if request.method == "POST":
            return await self._infer(request, path)
        target = self._desk.glance(request.query.get("model", ""))
        body = self._body(request) if request.can_read_body else None
        return await self._forward(request, target, body, Watch(None))

    async def _infer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """A request that needs the engine for itself: it may wait, and is remembered."""
        measured = _INFERENCE.fullmatch(path) is not None
        record = RequestRecord(
            route=untrusted_line(path),
            client=_client(request),
            session=session_of(request.headers),
        )
        body: Body | bytes = b""
        watch = Watch(record, keep=MOST if self._capture and measured else 0)
        try:
            json_body = measured or _COUNTING.fullmatch(path)
            if json_body and not request.content_type.startswith("multipart/"):
                body = await self._body(request).read()
                record.model = _model(body)
            elif request.can_read_body:
                body = self._body(request)
            record.model = record.model or untrusted_line(request.query.get("model", ""))
            async with self._desk.lease(record) as target:
                watch.let_through()
                if json_body and isinstance(body, bytes):
                    body = named_for(target, body)
                return await self._forward(request, target, body, watch)
        except (asyncio.CancelledError, ConnectionError):
            watch.cancelled()
            raise
        except StudioError as error:
            watch.refused(error)
            raise
        except Exception:
            watch.refused(Refusal(500, ""))
            raise
        finally:
            watch.end()
            if measured:
                self._records(record)
                if self._capture and isinstance(body, bytes):
                    self._capture.keep(record, body, bytes(watch.answer))

    async def _forward(
        self, request: web.BaseRequest, target: Target, body: Body | bytes | None, watch: Watch
    ) -> web.StreamResponse:
        assert self._upstream is not None
        return await self._upstream.forward(request, target, body, watch)

    def _check(self, request: web.BaseRequest) -> None:
        """Refuses whoever may not come in; every request passes here first."""
        hosts = request.headers.getall("Host", [])
        host = hosts[0] if len(hosts) == 1 else None
        if host is None or not check_host(host, self._hosts, addresses=self._away):
            hint = "Ask for 127.0.0.1 or localhost; the setting `hosts` adds names."
            raise Refusal(403, "This Host is not served here", hint=hint)
        origins = request.headers.getall("Origin", [None])
        sites = request.headers.getall("Sec-Fetch-Site", [None])
        own = own_origins(host) | self._origins
        if not all(check_origin(each, site, own) for each in origins for site in sites):
            raise Refusal(403, "Web pages of other origins may not use this address")
        if not request.raw_path.startswith("/") or request.method == "CONNECT":
            raise Refusal(400, "This is no proxy: ask for a path")
        if any(self._name in each for each in request.headers.getall("Via", [])):
            hint = "Correct `engine.url` of the profile that is served."
            raise Refusal(508, "The server that this gateway asks is itself", hint=hint)
        if self._key and not self._is_open(request) and not check_key(request.headers, self._key):
            raise Refusal(401, "The key is missing or wrong")
        if (request.content_length or 0) > self._max_body:
            raise too_large(self._max_body)

    def _is_open(self, request: web.BaseRequest) -> bool:
        if request.method not in ("GET", "HEAD"):
            return False
        path = request.raw_path.partition("?")[0]
        return path in _HEALTH or _PAGE.fullmatch(path) is not None

    def _ready(self) -> bool:
        try:
            self._desk.glance()
        except Refusal:
            return False
        return True

    def _body(self, request: web.BaseRequest) -> Body:
        return Body(request, most=self._max_body, stall=self._body_seconds)


def _error(request: web.BaseRequest, error: StudioError) -> web.Response:
    dialect = Dialect.LLAMA if request.path in _HEALTH else dialect_of(request.path)
    answer = error_answer(error, dialect)
    reason = HTTPStatus(answer.status).phrase
    return web.Response(
        body=answer.body, status=answer.status, reason=reason, headers=answer.headers
    )


def _model(body: bytes) -> str:
    """The model that the body names."""
    if first := MODEL_FIRST.match(body):
        return untrusted_line(first[1].decode("utf-8", "replace"))
    if b'"model"' not in body:
        return ""
    try:
        document = from_json(body)
    except ValueError:
        return ""  # the engine says what is wrong with it
    model = document.get("model") if isinstance(document, dict) else None
    return untrusted_line(model) if isinstance(model, str) else ""


def _client(request: web.BaseRequest) -> str:
    words = request.headers.get("User-Agent", "").split(maxsplit=1)
    return untrusted_line(words[0], limit=60) if words else ""


def _listing(profiles: list[dict[str, Any]]) -> dict[str, Any]:
    """Profiles as models, in a form that clients of OpenAI and of Anthropic both take."""
    data = [{"object": "model", "owned_by": "llm-studio", **each} for each in profiles]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return json.loads(json.dumps({"object": "list", "data": data, "has_more": False, **ends}))  # type: ignore[no-any-return]
