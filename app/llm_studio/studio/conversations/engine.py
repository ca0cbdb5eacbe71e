"""Speaks with an engine: asks for answers as streams, counts tokens, learns what it can.

llama.cpp tells more than OpenAI's language has (timings, progress, its template and tokenizer);
a server that is none is asked for what all of them know.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from llm_studio.errors import StudioError
from llm_studio.studio.conversations.message import whole
from llm_studio.studio.serving.desk import Target
from llm_studio.text import untrusted_line

SILENCE = 900.0
"""Seconds in which an engine may say nothing; llama.cpp gives a sign every 30."""
PATIENCE = 30.0
LONGEST_LINE = 8 << 20
KNOWN = 32


class Refused(StudioError):
    """The engine would not answer; `cause` is "context" where the prompt does not fit."""

    def __init__(self, what: str, *, cause: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an engine told of itself."""

    llama: bool = False
    """Whether it is llama.cpp's server."""
    context: int | None = None
    vision: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What a stream told at once; what is empty was not told."""

    text: str = ""
    thought: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    timings: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None
    finish: str = ""
    model: str = ""


class Engines:
    """The way to every engine that is served."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._known: dict[str, Abilities] = {}

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _client(self, target: Target) -> httpx.AsyncClient:
        """Engines of ours listen on loopback: no proxy, and no TLS, whose setup takes 40 ms."""
        secure = target.address.startswith("https://")
        if secure not in self._clients:
            # No kept connections: an answer that is stopped must close its own at once.
            self._clients[secure] = httpx.AsyncClient(
                verify=secure,
                trust_env=False,
                timeout=httpx.Timeout(SILENCE, connect=5.0),
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._clients[secure]

    # What it is

    async def abilities(self, target: Target) -> Abilities:
        known = self._known.get(target.instance)
        if known is None:
            known = await self._ask_abilities(target)
            while len(self._known) >= KNOWN:
                del self._known[next(iter(self._known))]
            self._known[target.instance] = known
        return known

    async def _ask_abilities(self, target: Target) -> Abilities:
        try:
            answer = await self._client(target).get(
                f"{target.address}/props", headers=_headers(target), timeout=PATIENCE
            )
            props = answer.json() if answer.status_code == 200 else {}
            settings = props.get("default_generation_settings") or {}
            context = settings.get("n_ctx")
            vision = (props.get("modalities") or {}).get("vision")
        except (httpx.HTTPError, ValueError, AttributeError):
            return Abilities()
        return Abilities(
            llama="default_generation_settings" in props,
            context=context if isinstance(context, int) and context > 0 else None,
            vision=vision is True,
        )

    # Counting

    async def count(self, target: Target, text: str) -> int | None:
        """Tokens of a text by the model's own tokenizer; None where it has no such route."""
        told = await self._post(target, "/tokenize", {"content": text})
        tokens = told.get("tokens")
        return len(tokens) if isinstance(tokens, list) else None

    async def count_prompt(self, target: Target, body: Mapping[str, Any]) -> int | None:
        """Tokens of the prompt that the messages of a request make."""
        wanted = {key: body[key] for key in ("messages", "chat_template_kwargs") if key in body}
        told = await self._post(target, "/apply-template", wanted)
        prompt = told.get("prompt")
        return await self.count(target, prompt) if isinstance(prompt, str) else None

    async def _post(self, target: Target, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._client(target).post(
                target.address + route, headers=_headers(target), json=body, timeout=PATIENCE
            )
            told = answer.json() if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    # Answering

    async def answer(self, target: Target, body: Mapping[str, Any]) -> AsyncGenerator[Part, None]:
        """The stream of an answer. Leaving it closes the connection, which frees the slot."""
        request = self._client(target).build_request(
            "POST", f"{target.address}/v1/chat/completions", headers=_headers(target), json=body
        )
        try:
            answer = await self._client(target).send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _gone(error) from error
        try:
            if answer.status_code != 200:
                raise refusal(answer.status_code, await answer.aread())
            async for part in _parts(answer):
                yield part
        except httpx.HTTPError as error:
            raise _gone(error) from error
        finally:
            await answer.aclose()


async def _parts(answer: httpx.Response) -> AsyncIterator[Part]:
    """Reads server-sent events by hand: their lines may come in any pieces."""
    rest = b""
    async for data in answer.aiter_raw():
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise Refused("The engine's answer cannot be understood")
        for line in lines:
            if line.startswith(b"data:") and (content := line[5:].strip()) != b"[DONE]":
                yield _part(content)
            elif line.startswith(b"error:"):
                raise refusal(500, line[6:])


def _part(content: bytes) -> Part:
    try:
        event = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused("The engine's answer cannot be understood") from error
    if not isinstance(event, dict):
        return Part()
    if "error" in event:
        raise refusal(500, content)
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    choice = choice if isinstance(choice, dict) else {}
    delta = _table(choice.get("delta"))
    tools = delta.get("tool_calls")
    return Part(
        text=_text(delta.get("content")),
        thought=_text(delta.get("reasoning_content") or delta.get("reasoning")),
        tools=[each for each in tools if isinstance(each, dict)] if isinstance(tools, list) else (),
        timings=_table(event.get("timings")) or None,
        usage=_table(event.get("usage")) or None,
        progress=_table(event.get("prompt_progress")) or None,
        finish=_text(choice.get("finish_reason")),
        model=untrusted_line(_text(event.get("model"))),
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return whole(value) if isinstance(value, str) else ""


def _headers(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.key}"} if target.key else {}


def refusal(status: int, raw: bytes) -> Refused:
    """What an engine's error means."""
    error: Any = raw.decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        error = json.loads(raw)["error"]
    table = error if isinstance(error, dict) else {}
    told = untrusted_line(str(table.get("message") or error), limit=600)
    if table.get("type") == "exceed_context_size_error" or "context size" in told:
        asked, fits = table.get("n_prompt_tokens"), table.get("n_ctx")
        known = isinstance(asked, int) and isinstance(fits, int)
        return Refused(
            "The context is full",
            cause="context",
            why=f"The prompt has {asked:,} tokens, {fits:,} fit." if known else told,
            hint="Leave the oldest messages out, summarise them, begin a new conversation, or "
            "serve the model with more context.",
        )
    if "image input is not supported" in told or "does not support image" in told.lower():
        return Refused(
            "The model cannot see pictures",
            why=told,
            hint="Serve one with a projector (`mmproj` in [model]).",
        )
    return Refused(f"The engine refused ({status})", why=told)


def _gone(error: Exception) -> Refused:
    return Refused(
        "The engine went away in the midst of the answer"
        if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
        else "The engine does not answer",
        cause="engine",
        why=untrusted_line(str(error)),
        hint="What came is kept: continue it, or ask again. `llm-studio logs` tells more.",
    )
