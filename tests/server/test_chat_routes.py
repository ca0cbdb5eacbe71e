"""Conversations over HTTP: who may ask, how much may be sent, and following by number."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.conftest import Home
from tests.standins.chatty_engine import ChattyEngine, Script, text

from llm_studio.place import socket_path
from llm_studio.server.run import run
from llm_studio.server.token import token_of
from llm_studio.settings import load_settings

pytestmark = pytest.mark.anyio


class Face:
    """A studio's two ways in, over an engine that is scripted."""

    def __init__(self, engine: ChattyEngine, api: str) -> None:
        settings = load_settings()
        self.engine = engine
        path = str(socket_path(settings.paths.state))
        transport = httpx.AsyncHTTPTransport(uds=path)
        self.socket = httpx.AsyncClient(transport=transport, base_url="http://studio", timeout=20)
        self.tcp = httpx.AsyncClient(base_url=api, trust_env=False, timeout=20)
        self.token = {"Authorization": f"Bearer {token_of(settings.paths.state)}"}

    async def ask(self, method: str, route: str, body: Any = None) -> Any:
        answer = await self.socket.request(method, route, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def events(self, route: str, mark: str = "") -> list[tuple[str, str, Any]]:
        """Every event until the end: name, number, data."""
        found, name, number = [], "", ""
        headers = {"Last-Event-ID": mark} if mark else {}
        async with self.socket.stream("GET", route, headers=headers) as answer:
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    number = value
                elif field == "data":
                    found.append((name, number, json.loads(value)))
        return found


@pytest.fixture
async def face(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Face]:
    for port in ("GATEWAY", "API"):
        monkeypatch.setenv(f"LLM_STUDIO_{port}_PORT", "0")
    async with ChattyEngine() as engine:
        home.profile("chatty", engine.profile())
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        studio = asyncio.create_task(run(load_settings(), lambda it: ready.set_result(it.api)))
        face = Face(engine, await ready)
        yield face
        await face.ask("POST", "/shutdown")
        await studio
        await face.socket.aclose()
        await face.tcp.aclose()


async def test_what_was_said_is_told_to_its_owner_alone(face: Face) -> None:
    talk = await face.ask("POST", "/conversations", {})
    for route in ("", f"/{talk['summary']['id']}", "/facts"):
        address = f"/conversations{route}"
        assert (await face.tcp.get(address)).status_code == 401
        assert (await face.tcp.get(address, headers=face.token)).status_code == 200
    assert (await face.tcp.get("/status")).status_code == 200


async def test_an_answer_is_followed_by_number(face: Face) -> None:
    face.engine.scripts = [Script(text("one two three four"), pause=0.02)]
    talk = f"/conversations/{(await face.ask('POST', '/conversations', {}))['summary']['id']}"
    body = {"text": "count", "profiles": ["chatty"], "load": True}
    number = (await face.ask("POST", f"{talk}/messages", body))["answers"][0]
    events = await face.events(f"{talk}/messages/{number}/events")
    told = "".join(data.get("text", "") for name, _, data in events if name == "piece")
    assert told == "one two three four"
    marks = [mark for name, mark, data in events if name == "piece" and data.get("text")]
    assert len(marks) > 1
    name, mark, end = events[-1]
    assert (name, mark, end["state"], end["text"]) == ("end", "0.18", "done", "")
    again = await face.events(f"{talk}/messages/{number}/events", "0.8")
    assert [data["text"] for name, _, data in again if name == "piece"] == ["three four"]
    whole = await face.ask("GET", talk)
    assert whole["messages"][-1]["text"] == "one two three four"
    exported = await face.socket.get(f"{talk}/export")
    assert "one two three four" in exported.text


async def test_a_message_may_be_large_and_other_bodies_may_not(face: Face) -> None:
    talk = f"/conversations/{(await face.ask('POST', '/conversations', {}))['summary']['id']}"
    large = "word " * 400_000
    told = await face.ask("POST", "/conversations/tokens", {"text": large})
    assert told == {"tokens": 500_000, "exact": False}
    sent = await face.ask("POST", f"{talk}/messages", {"text": "x", "attachments": [
        {"name": "a.txt", "text": large},
    ]})  # fmt: skip
    assert sent["message"]["attachments"] == [{"name": "a.txt", "kind": "text", "size": 2_000_000}]
    assert (await face.socket.post("/switch", json={"model": large})).status_code == 413


async def test_a_picture_can_be_had_again(face: Face) -> None:
    talk = f"/conversations/{(await face.ask('POST', '/conversations', {}))['summary']['id']}"
    sent = await face.ask("POST", f"{talk}/messages", {"text": "x", "attachments": [
        {"name": "a.txt", "text": "words"},
        {"name": "p.svg", "image": base64.b64encode(b"<svg/>").decode(), "media": "image/svg+xml"},
    ]})  # fmt: skip
    route = f"{talk}/messages/{sent['message']['id']}/attachments"
    picture = await face.socket.get(f"{route}/1")
    assert picture.content == b"<svg/>"
    assert picture.headers["content-type"] == "application/octet-stream"
    for other in ("0", "2", "-1"):
        assert (await face.socket.get(f"{route}/{other}")).status_code in (404, 422)


async def test_what_cannot_be(face: Face) -> None:
    talk = f"/conversations/{(await face.ask('POST', '/conversations', {}))['summary']['id']}"
    for method, route, body, status in (
        ("GET", "/conversations/nosuch", None, 404),
        ("GET", f"{talk}/messages/7/events", None, 404),
        ("POST", f"{talk}/messages", {"text": "  "}, 422),
        ("POST", f"{talk}/messages", {"text": "x", "parent": 9}, 404),
        ("POST", f"{talk}/messages/1/continue", {}, 404),
        ("PATCH", talk, {"settings": {"sampling": {"temperature": 99}}}, 422),
        ("PATCH", talk, {"settings": {"grammar": "x", "json_schema": {}}}, 422),
    ):
        answer = await face.socket.request(method, route, json=body)
        assert (route, answer.status_code) == (route, status), answer.text
        assert answer.json()["title"]
