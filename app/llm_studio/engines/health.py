"""Asks a started engine over HTTP whether it serves yet, and what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from llm_studio.engines.base import Running
from llm_studio.text import untrusted_line


@dataclass(frozen=True, slots=True)
class Health:
    """What the engine says of itself; `answers` is false while nothing listens."""

    answers: bool
    ready: bool
    models: tuple[str, ...] = ()
    told: str = ""


class HealthProbe:
    """One client for all questions; engines listen on loopback, so no proxy and no TLS."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            verify=False,  # loopback without TLS; building a context takes 40 ms
            trust_env=False,
            timeout=httpx.Timeout(5.0, connect=2.0),
        )

    async def ask(self, running: Running) -> Health:
        try:
            answer = await self._client.get(f"{running.address}/health")
            if answer.status_code == 200:
                return await self._models(running)
            return Health(True, False, told=untrusted_line(answer.text))
        except httpx.HTTPError as error:
            return Health(False, False, told=untrusted_line(str(error)))

    async def _models(self, running: Running) -> Health:
        answer = await self._client.get(
            f"{running.address}/v1/models", headers={"Authorization": f"Bearer {running.key}"}
        )
        if answer.status_code != 200:
            return Health(True, False, told=f"/v1/models answers {answer.status_code}")
        return Health(True, True, _names(answer.json()))

    async def close(self) -> None:
        await self._client.aclose()


def _names(listing: Any) -> tuple[str, ...]:
    names: list[str] = []
    try:
        for model in listing["data"]:
            names += [str(model["id"]), *map(str, model.get("aliases") or ())]
    except (KeyError, TypeError, AttributeError):
        pass
    return tuple(untrusted_line(name) for name in names)
