"""Tries whether an agent would get on with what is served, by sending what it would send."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llm_studio.agents.agent import MODEL, Agent, Seat
from llm_studio.agents.seating import ask
from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line

SECONDS = 600.0
LONG_PROMPT = "You are a coding agent. Follow the rules of the project with care. " * 400
"""As long as agents' own: some 5,000 tokens."""
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "the file"}},
    "required": ["path"],
    "additionalProperties": False,
}
_TASK = "Read the file notes.txt with your tool."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. `works` is None where it depends on the model's mood."""

    what: str
    works: bool | None
    told: str


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    raw: bytes
    first: float
    """Seconds until the first bytes of the answer's body."""

    @property
    def told(self) -> str:
        """Why it was refused."""
        try:
            error = json.loads(self.raw)["error"]
            text = error["message"] if isinstance(error, dict) else str(error)
        except (ValueError, KeyError, TypeError):
            text = self.raw[:300].decode("utf-8", "replace")
        return untrusted_line(f"HTTP {self.status}: {text}", limit=400)


def trial(agent: Agent, seat: Seat) -> Iterator[Step]:
    """Each thing that the agent relies on, one after the other."""
    route, body, tools = _DIALECTS[agent.dialect]
    plain = _post(seat, route, body("Say hello.", 16))
    yield _streams(plain)
    if plain.status != 200:
        return
    called = _post(seat, route, {**body(_TASK, 512), **tools})
    yield _calls(called)
    long = body("Say hello.", 16, LONG_PROMPT)
    first = _post(seat, route, long)
    if first.status != 200:
        yield Step("a long system prompt", False, first.told)
        return
    second = _post(seat, route, long)
    yield Step(
        "a long system prompt", True,
        f"answered after {first.first:.1f} s, again after {second.first:.1f} s (from the cache)"
        if second.first < first.first / 2
        else f"answered after {first.first:.1f} s, and again after {second.first:.1f} s: the cache "
        "saved little",
    )  # fmt: skip
    yield from _extras(agent, seat)


def _streams(answered: Answered) -> Step:
    what = "a streamed answer"
    if answered.status != 200:
        return Step(what, False, answered.told)
    if b"data:" not in answered.raw:
        return Step(what, False, "It came in one piece.")
    return Step(what, True, f"its first piece after {answered.first:.1f} s")


def _calls(answered: Answered) -> Step:
    what = "a tool call"
    if answered.status != 200:
        return Step(what, False, answered.told)
    if any(mark in answered.raw for mark in (b'"tool_use"', b'"tool_calls"', b'"function_call"')):
        return Step(what, True, "the model called the tool that it was given")
    return Step(
        what, None,
        "The tools were accepted, but the model answered in words. One that was trained to call "
        "tools would have called it.",
    )  # fmt: skip


def _extras(agent: Agent, seat: Seat) -> Iterator[Step]:
    if agent.dialect == "anthropic":
        counted, found = ask(
            seat.gateway, seat.key, "POST", "/v1/messages/count_tokens",
            {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]},
        )  # fmt: skip
        good = counted == 200 and isinstance(found, dict) and "input_tokens" in found
        yield Step("counting tokens", good, "answered" if good else f"HTTP {counted}")
    if agent.dialect == "responses":
        late = _post(seat, "/v1/responses", _responses("Say hello.", 16, "Be brief.", twice=True))
        works = late.status == 200
        yield Step(
            "two developer messages", works,
            "accepted" if works else f"{late.told} The template takes one system message alone.",
        )  # fmt: skip


def _messages(prompt: str, most: int, system: str = "You are a coding agent.") -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": most,
        "stream": True,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "metadata": {"user_id": "trial"},
        "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
    }


def _chat(prompt: str, most: int, system: str = "You are a coding agent.") -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": most,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": prompt},
        ],
    }


def _responses(
    prompt: str, most: int, system: str = "You are a coding agent.", *, twice: bool = False
) -> dict[str, Any]:
    def said(role: str, text: str) -> dict[str, Any]:
        return {
            "type": "message", "role": role, "content": [{"type": "input_text", "text": text}]
        }  # fmt: skip

    return {
        "model": MODEL,
        "max_output_tokens": most,
        "stream": True,
        "store": False,
        "instructions": system,
        "parallel_tool_calls": True,
        "input": [*[said("developer", "Be brief.")] * (2 * twice), said("user", prompt)],
    }


_FUNCTION = {"name": "read_file", "description": "Read a file", "parameters": _SCHEMA}
_DIALECTS: dict[str, tuple[str, Callable[..., dict[str, Any]], dict[str, Any]]] = {
    "anthropic": (
        "/v1/messages?beta=true",
        _messages,
        {"tools": [{"name": "Read", "description": "Read a file", "input_schema": _SCHEMA}]},
    ),
    "chat": (
        "/v1/chat/completions",
        _chat,
        {"tools": [{"type": "function", "function": _FUNCTION}], "tool_choice": "auto"},
    ),
    "responses": (
        "/v1/responses",
        _responses,
        {"tools": [{"type": "function", **_FUNCTION, "strict": False}], "tool_choice": "auto"},
    ),
}


def _post(seat: Seat, route: str, body: dict[str, Any]) -> Answered:
    address = urlsplit(seat.gateway)
    connection = http.client.HTTPConnection(
        address.hostname or "127.0.0.1", address.port, timeout=SECONDS
    )
    headers = {
        "Authorization": f"Bearer {seat.key}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "User-Agent": "llm-studio-trial",
        "anthropic-version": "2023-06-01",
    }
    begun = time.monotonic()
    with closing(connection):
        try:
            connection.request("POST", route, json.dumps(body), headers)
            answer = connection.getresponse()
            start = answer.read(1)
            first = time.monotonic() - begun
            return Answered(answer.status, start + answer.read(), first)
        except (OSError, http.client.HTTPException) as error:
            raise StudioError(
                "The answer was cut off", why=str(error) or type(error).__name__,
                hint="`llm-studio status` tells what happened.",
            ) from error  # fmt: skip
