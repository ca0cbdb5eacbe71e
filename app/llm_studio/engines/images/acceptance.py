"""Tests an image before people rely on it: started as the engine starts it, asked as clients ask.

A tiny random model is enough for that, and the same everywhere. What it says is noise; that it
says it in the right form, over every way in, is what is tested. Its speed compares builds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import Engine, Launch, Running
from llm_studio.engines.health import HealthProbe
from llm_studio.engines.images.tiny_model import CALL_TOKEN, CONTEXT, write_tiny_model
from llm_studio.errors import StudioError
from llm_studio.models.memory import Device
from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.schema import ImageCheck, ImageFinding
from llm_studio.text import untrusted_line

MODEL = "tiny random llama"
LOAD_LIMIT = 120.0
STEP_LIMIT = 60.0
FREE_LIMIT = 3.0
"""Seconds after which a slot must be free again; the answer would take far longer."""
LAST_LINES = 5
RUNS = 3
OWN_FLAGS = ("--model", "--host", "--port", "--api-key-file", "--cors-origins", "--metrics")
"""What every engine is started with."""
_PROFILE = f"""\
name = "Image check"
[model]
file = "tiny.gguf"
[server]
alias = "tiny"
context = {CONTEXT}
parallel = 1
gpu_layers = "all"
threads = 1
"""
"""One thread, for several spend their time on waiting for each other with so small a model."""
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
Told = Callable[[str, float | None], None]


class Fault(Exception):
    """A step did not give what it must."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An image to test, and where."""

    image: str
    folder: Path
    """For the model and for keys."""
    devices: tuple[Device, ...] = ()

    def launch(self) -> Launch:
        """What starts it as the engine does, each time as another one."""
        model = write_tiny_model(self.folder / "tiny.gguf")
        source = Source("image-check", Path("image-check.toml"), False, _PROFILE)
        entry = Catalogue([parse_source(source)]).get(source.id)
        return Launch(entry, Files(model), {}, self.devices, image=self.image, folder=self.folder)


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second, as the engine measured them."""

    prompt: float
    answer: float


async def accept(
    engine: Engine,
    subject: Subject,
    needed: Mapping[str, Sequence[str]],
    told: Told,
    in_use: Subject | None = None,
) -> ImageCheck:
    """Tests one image; `needed` are flags and who needs them, `in_use` is for comparison."""
    steps = _Steps(told)
    told("asking the image what it knows", None)
    abilities = await engine.abilities(subject.image)
    await steps.take("flags", lambda: _flags(abilities.flags, needed))
    speed: Speed | None = None
    async with contextlib.AsyncExitStack() as stack:
        running: list[Running] = []

        async def load() -> str:
            begun = time.monotonic()
            running.append(await stack.enter_async_context(_started(engine, subject)))
            return f"ready after {time.monotonic() - begun:.1f} s"

        await steps.take("loads", load)
        if running:
            async with Asker(running[0]) as asker:
                for name, step in asker.steps:
                    await steps.take(name, step)
                with contextlib.suppress(Fault, httpx.HTTPError):
                    speed = await asker.speed()
    if speed is not None:
        await steps.take("speed", lambda: _compared(engine, speed, in_use))
    return ImageCheck(
        passed=all(each.passed for each in steps.findings) and speed is not None,
        at=time.time(),
        version=abilities.version,
        model=MODEL,
        findings=steps.findings,
        prompt_speed=speed.prompt if speed else None,
        speed=speed.answer if speed else None,
    )


class _Steps:
    """Takes one step after the other; one that fails does not end the test."""

    def __init__(self, told: Told) -> None:
        self.findings: list[ImageFinding] = []
        self._told = told

    async def take(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        self._told(f"testing: {name}", None)
        try:
            said, passed = await asyncio.wait_for(step(), LOAD_LIMIT + STEP_LIMIT), True
        except Fault as fault:
            said, passed = str(fault), False
        except StudioError as error:
            said, passed = error.sentence, False
        except TimeoutError:
            said, passed = "no answer in time", False
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            said, passed = f"{type(error).__name__}: {error}", False
        told = untrusted_line(said, limit=400)
        self.findings.append(ImageFinding(step=name, passed=passed, told=told))


async def _flags(known: frozenset[str], needed: Mapping[str, Sequence[str]]) -> str:
    wanted = {**dict.fromkeys(OWN_FLAGS, ("every engine",)), **needed}
    missing = [
        f"{flag} ({', '.join(list(who)[:3])}{' …' if len(who) > 3 else ''})"
        for flag, who in wanted.items()
        if flag not in known
    ]
    if missing:
        raise Fault(f"unknown here: {', '.join(missing)}")
    return f"all {len(wanted)} flags that the profiles need"


@contextlib.asynccontextmanager
async def _started(engine: Engine, subject: Subject) -> AsyncIterator[Running]:
    """The engine once it is ready; nothing of it is left afterwards."""
    launch = await asyncio.to_thread(subject.launch)
    running = await engine.start(launch)
    health = HealthProbe()
    try:
        deadline = time.monotonic() + LOAD_LIMIT
        while not (await health.ask(running)).ready:
            if not (await engine.vitals(running)).alive:
                raise Fault(f"it ended: {await _last_lines(engine, running)}")
            if time.monotonic() > deadline:
                raise Fault(f"not ready after {LOAD_LIMIT:.0f} s")
            await asyncio.sleep(0.05)
        yield running
    finally:
        await health.close()
        await engine.stop(running, 5)
        await engine.forget(running)


async def _last_lines(engine: Engine, running: Running) -> str:
    lines = [line.text async for line in engine.log(running)]
    errors = [line for line in lines if " E " in line]
    return " / ".join((errors or lines)[:LAST_LINES]) or "it said nothing"


async def _compared(engine: Engine, speed: Speed, in_use: Subject | None) -> str:
    said = f"{speed.answer:,.0f} tokens/s, prompt {speed.prompt:,.0f} tokens/s ({MODEL})"
    if in_use is None:
        return said
    try:
        async with _started(engine, in_use) as running, Asker(running) as asker:
            other = await asker.speed()
    except (Fault, StudioError, httpx.HTTPError) as error:
        return f"{said}; the image in use could not be measured: {error}"
    return (
        f"{said}; ×{speed.answer / other.answer:.2f} of the image in use, prompt "
        f"×{speed.prompt / other.prompt:.2f}"
    )


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
