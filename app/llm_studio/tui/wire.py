"""The client for the UI: as `llm_studio.client`, but nothing waits. Apart from it, so that
commands need no event loop. All text passes the gate here, once, on its way in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from llm_studio.client import Unreachable, answer_of, request_for
from llm_studio.errors import StudioError
from llm_studio.text import untrusted
from llm_studio.tui.ahead import EVENTS, Asked

LONGEST_LINE = 16 << 20
SILENCE = 40.0
"""The studio says something every 15 seconds; one that does not has hung."""
HUSH = 8.0
"""The same for the studio's events, where it says something every 3 seconds."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. A stream that begins with its mark goes on after it."""

    name: str
    data: Any
    mark: str


class Wire:
    """One studio, at its socket."""

    def __init__(self, path: Path, asked: Asked | None = None) -> None:
        """`asked`: questions that were put already; the first who asks one gets its answer."""
        self._path = path
        self._asked = asked or {}

    async def ask(
        self, method: str, route: str, body: Any = None, *, within: float = 30, **query: Any
    ) -> Any:
        """One question and its answer; a problem that the studio tells is raised."""
        raw = await self.exchange(method, route, body, within=within, **query)
        try:
            return gated(answer_of(raw))
        except ValueError as error:
            raise StudioError("The studio's answer makes no sense", why=str(error)) from error

    async def exchange(
        self, method: str, route: str, body: Any = None, *, within: float = 30, **query: Any
    ) -> bytes:
        """The raw answer, not gated: for who reads much of it and knows where the text is."""
        given = {key: value for key, value in query.items() if value is not None}
        address = quote(route) + (f"?{urlencode(given)}" if given else "")
        try:
            async with asyncio.timeout(within):
                reader, writer = await self._put(method, address, body)
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except TimeoutError as error:
            raise StudioError(
                "The studio does not answer",
                why=f"It was silent for {within:.0f} seconds.",
                hint="Try again; `llm-studio logs` may tell more.",
            ) from error
        except OSError as error:
            raise StudioError("The connection to the studio broke", why=str(error)) from error

    async def events(self, mark: str = "") -> AsyncIterator[Event]:
        """What changes, as it does, until the studio ends: first the present status, then jobs
        and alerts that are newer than an earlier stream's mark, and a sample each second."""
        after = {"Last_Event_ID": f".{mark}"} if mark else {}
        reader, writer = await self._put("GET", EVENTS, **after)
        try:
            name = ""
            while line := await _line(reader, HUSH):
                field, _, value = line.decode(errors="replace").strip().partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    mark = value.partition(".")[2]
                elif field == "data":
                    data = gated(json.loads(value))
                elif not field and name:
                    yield Event(name, data, mark)
                    name = ""
        finally:
            writer.close()

    async def stream(self, route: str, mark: str = "") -> AsyncIterator[Event]:
        """The events of another route, not gated; those after a mark, if it is given."""
        after = {"Last_Event_ID": mark} if mark else {}
        reader, writer = await self._put("GET", route, **after)
        try:
            name = ""
            while line := await _line(reader):
                field, _, value = line.decode(errors="replace").strip().partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    mark = value
                elif field == "data":
                    yield Event(name, json.loads(value), mark)
        finally:
            writer.close()

    async def _put(
        self, method: str, address: str, body: Any = None, **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The conversation in which this is asked."""
        if method == "GET" and (asked := self._asked.pop(address, None)):
            return await asyncio.open_unix_connection(sock=asked, limit=LONGEST_LINE)
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LONGEST_LINE)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise Unreachable(died=isinstance(error, ConnectionRefusedError)) from error
        writer.write(request_for(method, address, body, **headers))
        return reader, writer


async def _line(reader: asyncio.StreamReader, within: float = SILENCE) -> bytes:
    # Not `wait_for`: before Python 3.12 it may lose a cancellation, and the UI would never end.
    async with asyncio.timeout(within):
        return await reader.readline()


def gated(data: Any) -> Any:
    """An answer with every text in it made safe."""
    if isinstance(data, str):
        return untrusted(data)
    if isinstance(data, dict):
        return {key: gated(value) for key, value in data.items()}
    return [gated(value) for value in data] if isinstance(data, list) else data
