"""Asks an engine all that its clients may ask, and says what is wrong with the answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from llm_studio.engines.base import Running
from llm_studio.engines.images.tiny_model import CALL_TOKEN, CONTEXT

STEP_LIMIT = 60.0
FREE_LIMIT = 3.0
"""Seconds after which a slot must be free again; the answer would take far longer."""
RUNS = 3
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a city up",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Fault(Exception):
    """A step did not give what it must."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second, as the engine measured them."""

    prompt: float
    answer: float


class Asker:
    """Asks one engine as its clients do."""

    def __init__(self, running: Running) -> None:
        self._client = httpx.AsyncClient(
            base_url=running.address,
            headers={"Authorization": f"Bearer {running.key}"},
            verify=False,  # loopback without TLS
            trust_env=False,
            timeout=STEP_LIMIT,
            # A connection that the server is just about to close is not to be taken for a fault.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Asker:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Awaitable[str]]], ...]:
        return (
            ("short prompt", self.short_prompt),
            ("long prompt", self.long_prompt),
            ("streamed chat", self.streamed_chat),
            ("tool call", self.tool_call),
            ("cancelled request", self.cancelled_request),
            ("Anthropic message", self.anthropic_message),
        )

    async def short_prompt(self) -> str:
        answer = await self._chat("Hello", max_tokens=8)
        return f"{answer['usage']['completion_tokens']} tokens"

    async def long_prompt(self) -> str:
        """Beyond 200 tokens other code of the engine runs than for short ones."""
        answer = await self._chat("All work and no play. " * 40, max_tokens=8)
        count = int(answer["usage"]["prompt_tokens"])
        if count <= 200:
            raise Fault(f"the prompt counts {count} tokens only")
        return f"a prompt of {count} tokens"

    async def streamed_chat(self) -> str:
        count, ended = 0, False
        async with self._streaming(max_tokens=16) as lines:
            async for line in lines:
                ended = ended or line == "[DONE]"
                if not ended:
                    delta = json.loads(line)["choices"][:1]
                    count += bool(delta and delta[0]["delta"].get("content"))
        if count < 2 or not ended:
            raise Fault(f"{count} pieces, and {'an' if ended else 'no'} end")
        return f"{count} pieces"

    async def tool_call(self) -> str:
        answer = await self._chat(
            "Where is it?",
            max_tokens=160,
            tools=[_TOOL],
            tool_choice="required",
            temperature=0,
            logit_bias=[[CALL_TOKEN, 100]],
        )
        calls = answer["choices"][0]["message"].get("tool_calls") or []
        if not calls:
            raise Fault("the answer holds no call")
        function = calls[0]["function"]
        if (function["name"], json.loads(function["arguments"])) != ("look_up", {"city": "Oslo"}):
            raise Fault(f"another call than was asked for: {function}")
        return "the call that was asked for"

    async def cancelled_request(self) -> str:
        async with self._streaming(max_tokens=CONTEXT - 2000, ignore_eos=True) as lines:
            await anext(lines)
        begun = time.monotonic()
        while any(slot.get("is_processing") for slot in (await self._get("/slots")).json()):
            if time.monotonic() - begun > FREE_LIMIT:
                raise Fault(f"its slot is busy still after {FREE_LIMIT:.0f} s")
            await asyncio.sleep(0.005)
        took = time.monotonic() - begun
        await self._chat("Hello", max_tokens=2)
        return f"its slot was free after {took * 1000:.0f} ms"

    async def anthropic_message(self) -> str:
        body = {"model": "tiny", "max_tokens": 8, "messages": [_user("Hello")]}
        answer = await self._post("/v1/messages", body)
        told = answer["content"][0]
        if answer["type"] != "message" or told["type"] != "text" or not told["text"]:
            raise Fault(f"the answer is no message: {answer}")
        return f"{answer['usage']['output_tokens']} tokens"

    async def speed(self) -> Speed:
        """The best of a few runs; whatever else the machine does makes it slower only."""
        found = []
        for _ in range(RUNS):
            answer = await self._chat(
                "All work and no play. " * 60, max_tokens=96, ignore_eos=True, cache_prompt=False
            )
            timings = answer["timings"]
            found.append((timings["prompt_per_second"], timings["predicted_per_second"]))
        return Speed(max(each[0] for each in found), max(each[1] for each in found))

    async def _chat(self, prompt: str, **more: Any) -> Any:
        answer = await self._post("/v1/chat/completions", {"messages": [_user(prompt)], **more})
        if not answer["usage"]["completion_tokens"]:
            raise Fault("the answer is empty")
        return answer

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = await self._client.post(path, json=body)
        _require_ok(answer, answer.text)
        return answer.json()

    async def _get(self, path: str) -> httpx.Response:
        answer = await self._client.get(path)
        _require_ok(answer, answer.text)
        return answer

    @contextlib.asynccontextmanager
    async def _streaming(self, **more: Any) -> AsyncIterator[AsyncIterator[str]]:
        """What follows `data:` in each line; leaving closes the connection."""
        body = {"messages": [_user("Hello")], "stream": True, **more}
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                _require_ok(answer, (await answer.aread()).decode("utf-8", "replace"))

            async def lines() -> AsyncIterator[str]:
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        yield line.removeprefix("data: ")

            yield lines()


def _require_ok(answer: httpx.Response, text: str) -> None:
    if answer.status_code != 200:
        raise Fault(f"{answer.request.url.path} answers {answer.status_code}: {text[:200]}")


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
