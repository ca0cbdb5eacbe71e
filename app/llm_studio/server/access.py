"""Stands before the management API: who may ask, who may write, and how much at a time.

On the studio's own socket the file's mode is the key. Over TCP, Host and Origin are checked for
every request, and writing needs the token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_studio.server.security import check_host, check_key, check_origin

MAX_BODY = 64 << 10
LARGE_BODIES = {"/conversations": 64 << 20}
"""Where more may be sent: messages take files and pictures along."""
BODY_TIME = 10.0
READING = ("GET", "HEAD", "OPTIONS")
SECRET = ("/conversations",)
"""What was said is for its owner alone: over TCP, where any user of the machine may ask, looking
needs the token too."""


class Access:
    """An ASGI application around another; every route passes it, so none can be forgotten."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        hosts: Container[str] | None = None,
        away: bool = False,
    ) -> None:
        """Without hosts it stands at the studio's socket. Where it listens for other machines
        (`away`), reading needs the token too."""
        self._app = app
        self._token = token
        self._hosts = hosts
        self._away = away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        refused = self._refusal(scope["method"], scope["path"], headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        body = await _body(headers, receive, _most(scope["path"]))
        if isinstance(body, tuple):
            await _answer(send, *body)
            return
        await self._app(scope, _replay(body, receive), send)

    def _refusal(
        self, method: str, path: str, headers: Mapping[str, str]
    ) -> tuple[int, str, str] | None:
        if self._hosts is not None:
            if not check_host(headers.get("host"), self._hosts, addresses=self._away):
                hint = "Ask for 127.0.0.1 or localhost; the setting `hosts` adds names."
                return 421, "This is not the host's name", hint
            if not check_origin(headers.get("origin"), headers.get("sec-fetch-site")):
                return 403, "Web pages may not ask the studio", ""
        if method in READING and not self._away and not path.startswith(SECRET):
            return None
        if self._token is not None and not check_key(headers, self._token):
            hint = "Send `Authorization: Bearer $(llm-studio token)`."
            return 401, "This needs the studio's token", hint
        if method in READING:
            return None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        bodied = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if bodied and kind != "application/json":
            hint = "Send `Content-Type: application/json`; curl's `--json` does."
            return 415, "The body must be application/json", hint
        return None


def _most(path: str) -> int:
    return next((most for start, most in LARGE_BODIES.items() if path.startswith(start)), MAX_BODY)


async def _body(
    headers: Mapping[str, str], receive: Receive, most: int
) -> bytes | tuple[int, str, str]:
    """The whole body, if it is small and comes in time."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        return 413, "The body is too large", f"At most {most} bytes."
    if length == "0" and "transfer-encoding" not in headers:
        return b""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIME):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return 400, "The request was cut off", ""
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    return 413, "The body is too large", f"At most {most} bytes."
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        return 408, "The body did not come in time", ""


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hands on the body that was read already; afterwards, that the client went away."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, status: int, title: str, hint: str) -> None:
    told: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "hint": hint}
    body = json.dumps(told).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
