"""A stand-in for llama.cpp's server that says what a test tells it to, token by token."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.scripted_upstream import ScriptedUpstream, Wire


@dataclass
class Script:
    """One answer: its tokens, and whether it waits between them."""

    tokens: list[dict[str, Any]]
    finish: str = "stop"
    pause: float = 0.0
    held: asyncio.Event | None = None
    """Before its last token it waits for this."""
    dies_after: int | None = None
    """Tokens after which it hangs up."""
    refusal: dict[str, Any] | None = None
    progress: tuple[int, ...] = ()


def text(words: str, size: int = 4) -> list[dict[str, Any]]:
    return [{"content": words[at : at + size]} for at in range(0, len(words), size)]


def thought(words: str, size: int = 4) -> list[dict[str, Any]]:
    return [{"reasoning_content": words[at : at + size]} for at in range(0, len(words), size)]


@dataclass
class ChattyEngine:
    """Answers by its scripts, the next one for each request; the last one again and again."""

    scripts: list[Script] = field(default_factory=lambda: [Script(text("Hello there."))])
    context: int = 4096
    vision: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    hung_up: int = 0
    """Answers whose client went away before their end."""
    times: list[float] = field(default_factory=list)
    """When each token was sent, by time.monotonic."""

    async def __aenter__(self) -> ChattyEngine:
        self._upstream = ScriptedUpstream(self._serve)
        await self._upstream.__aenter__()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._upstream.__aexit__(*why)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._upstream.port}"

    def profile(self, more: str = "") -> str:
        """A profile that is served by it."""
        return f'name = "Chatty"\n[engine]\nkind = "external"\nurl = "{self.address}"\n{more}'

    async def _serve(self, wire: Wire) -> None:
        path = wire.seen.target.partition("?")[0]
        body = json.loads(wire.seen.body) if wire.seen.body else {}
        if path == "/v1/chat/completions":
            await self._chat(wire, body)
            return
        await wire.answer(json.dumps(self._told(path, body)).encode())

    def _told(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/props":
            settings = {"n_ctx": self.context}
            return {"default_generation_settings": settings, "modalities": {"vision": self.vision}}
        if path == "/tokenize":
            return {"tokens": list(range(len(body["content"].split())))}
        if path == "/apply-template":
            return {"prompt": "\n".join(str(each["content"]) for each in body["messages"])}
        return {"data": [{"id": "chatty"}], "status": "ok"}

    async def _chat(self, wire: Wire, body: dict[str, Any]) -> None:
        self.asked.append(body)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if script.refusal is not None:
            answer = json.dumps({"error": script.refusal}).encode()
            await wire.answer(answer, status=f"{script.refusal['code']} Refused")
            return
        await wire.stream()
        gone = asyncio.create_task(wire.reader.read(1))
        for done in script.progress:
            told = {"total": script.progress[-1], "processed": done, "cache": 0, "time_ms": 1}
            timings = {**_timings(0), "prompt_n": done}
            await wire.chunk(_event({}, prompt_progress=told, timings=timings))
        begun = time.monotonic()
        for number, token in enumerate(script.tokens, 1):
            if script.dies_after is not None and number > script.dies_after:
                wire.cut()
                return
            waits: Iterable[Any] = [gone]
            if number == len(script.tokens) and script.held is not None:
                waits = [gone, asyncio.ensure_future(script.held.wait())]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            elif script.pause:
                left = begun + number * script.pause - time.monotonic()
                await asyncio.wait(waits, timeout=max(left, 0))
            if gone.done():
                self.hung_up += 1
                wire.cut()
                return
            self.times.append(time.monotonic())
            await wire.chunk(_event(token, timings=_timings(number)))
        await wire.chunk(_event({}, finish=script.finish, timings=_timings(len(script.tokens))))
        await wire.chunk(b"data: [DONE]\n\n")
        await wire.end()
        gone.cancel()
        wire.cut()  # what the reader lost meanwhile cannot be put back


@contextmanager
def in_a_thread(engine: ChattyEngine) -> Iterator[ChattyEngine]:
    """The engine for who has no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(engine.__aenter__(), loop).result(10)
    try:
        yield engine
    finally:
        asyncio.run_coroutine_threadsafe(engine.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _timings(count: int) -> dict[str, Any]:
    return {
        "cache_n": 3, "prompt_n": 9, "prompt_per_second": 900.0, "predicted_n": count,
        "predicted_per_second": 42.0,
    }  # fmt: skip


def _event(delta: dict[str, Any], *, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"choices": [choice], "model": "chatty", **more}).encode() + b"\n\n"
    )
