"""Asks llama-server as a client does, and notes when each token came."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from llm_studio.bench.figures import quantile
from llm_studio.errors import NotReady, StudioError
from llm_studio.studio.serving.desk import RequestRecord, Target
from llm_studio.studio.serving.reception import Reception
from llm_studio.text import untrusted_line

CLIENT = "bench"
SILENCE = 1800.0
"""Seconds that a long prompt may take before its first token."""
PATIENCE = 30.0


class NoAnswer(StudioError):
    """A request that failed: the fault of no model."""


@dataclass(slots=True)
class Answer:
    """One request, as it was felt, and as the engine says it was."""

    begun: float
    first_token: float = 0.0
    seconds: float = 0.0
    prompt: int = 0
    cached: int = 0
    generated: int = 0
    gaps: list[float] = field(default_factory=list)
    """Seconds between two tokens."""
    engine_prompt_speed: float | None = None
    engine_speed: float | None = None

    @property
    def speed(self) -> float | None:
        """As its tokens came; those that were held up on the way and came at once, as they were
        made."""
        took = self.seconds - self.first_token
        if self.generated < 2 or took <= 0:
            return None
        return min((self.generated - 1) / took, self.engine_speed or math.inf)

    @property
    def prompt_speed(self) -> float | None:
        return self.prompt / self.first_token if self.prompt and self.first_token else None

    def gap(self, part: float) -> float | None:
        """Milliseconds."""
        return 1000 * quantile(self.gaps, part) if self.gaps else None


class Asker:
    """One profile's engine. Each request has a place at the desk, as those of all clients."""

    def __init__(self, reception: Reception, profile: str) -> None:
        self._reception = reception
        self._profile = profile
        self._client = httpx.AsyncClient(
            verify=False, trust_env=False, timeout=httpx.Timeout(SILENCE, connect=PATIENCE),
            # A kept connection may be closed by the server just as it is used again.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )  # fmt: skip
        self.running = 0
        """Requests of ours that are under way."""
        self.engines: list[str] = []
        """The engines that answered; a second one was loaded in the midst of the measuring."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @property
    def target(self) -> Target:
        return self._reception.glance(self._profile)

    async def props(self) -> dict[str, Any]:
        told = await self._json("GET", "/props")
        if "default_generation_settings" not in told:
            raise NotReady(
                f"{self._profile} is not served by llama.cpp's server",
                hint="Its speed can only be measured there.",
            )
        return told

    async def tokens(self, text: str) -> list[int]:
        told = await self._json("POST", "/tokenize", {"content": text})
        return [each for each in told.get("tokens") or () if isinstance(each, int)]

    async def _json(self, method: str, route: str, body: Any = None) -> dict[str, Any]:
        target = self.target
        try:
            answer = await self._client.request(
                method, target.address + route, json=body, headers=headers_of(target),
                timeout=PATIENCE,
            )  # fmt: skip
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswer(f"{route} did not answer", why=_why(error)) from error
        if answer.status_code != 200 or not isinstance(told, dict):
            raise NoAnswer(f"{route} answers {answer.status_code}", why=untrusted_line(answer.text))
        return told

    async def complete(self, prompt: Sequence[int], answer: int, *, cache: bool) -> Answer:
        """Read a prompt and generate exactly so many tokens."""
        body = {
            "prompt": list(prompt), "n_predict": answer, "ignore_eos": True, "cache_prompt": cache,
            "stream": True, "timings_per_token": True, "temperature": 0.8, "seed": 1,
        }  # fmt: skip
        record = RequestRecord(route="/completion", client=CLIENT, model=self._profile)
        async with self._reception.lease(record) as target:
            self.running += 1
            if target.instance not in self.engines:
                self.engines.append(target.instance)
            try:
                return await self._stream(target, body)
            except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
                raise NoAnswer("A request failed", why=_why(error)) from error
            finally:
                self.running -= 1

    async def _stream(self, target: Target, body: dict[str, Any]) -> Answer:
        clock = time.perf_counter
        begun = clock()
        found = Answer(begun=time.time())
        last, counted, whole = 0.0, 0, False
        url = f"{target.address}/completion"
        async with self._client.stream(
            "POST", url, json=body, headers=headers_of(target)
        ) as answer:
            if answer.status_code != 200:
                text = (await answer.aread())[:400].decode("utf-8", "replace")
                what = f"A request was answered {answer.status_code}"
                raise NoAnswer(what, why=untrusted_line(text))
            async for line in answer.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                now = clock() - begun
                told = json.loads(line[6:])
                if "error" in told:
                    raise NoAnswer("A request failed", why=untrusted_line(str(told["error"])))
                timings = told.get("timings") or {}
                count = int(timings.get("predicted_n", counted + 1))
                whole = bool(told.get("stop"))
                if whole:
                    found.generated = int(told.get("tokens_predicted", count))
                    found.prompt = int(timings.get("prompt_n", 0))
                    found.cached = int(timings.get("cache_n", 0))
                    found.engine_prompt_speed = _speed(timings.get("prompt_per_second"))
                    found.engine_speed = _speed(timings.get("predicted_per_second"))
                if count > counted:
                    if counted:
                        found.gaps += [(now - last) / (count - counted)] * (count - counted)
                    else:
                        found.first_token = now
                    last, counted = now, count
        if not whole or not counted:
            raise NoAnswer("An answer broke off", why=f"{counted} tokens had come.")
        found.seconds = last
        return found


def headers_of(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.key}"} if target.key else {}


def _speed(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e9 else None


def _why(error: Exception) -> str:
    return untrusted_line(str(error) or type(error).__name__)
