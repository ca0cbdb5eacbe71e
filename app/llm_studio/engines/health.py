"""Asks a started engine over HTTP whether it serves yet, and what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from llm_studio.engines.base import Running
from llm_studio.text import untrusted_line

LIMIT = 10.0
"""Seconds for an answer as a whole: a server that drips would never be late by a byte's time."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the engine says of itself; `answers` is false while nothing listens."""

    answers: bool
    ready: bool
    models: tuple[str, ...] = ()
    told: str = ""


class HealthProbe:
    """One client for all questions of one kind, made when it is needed."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def _client(self, address: str) -> httpx.AsyncClient:
        """Engines of ours listen on loopback: no proxy, and no TLS, whose setup takes 40 ms."""
        secure = address.startswith("https://")
        if secure not in self._clients:
            self._clients[secure] = httpx.AsyncClient(
                verify=secure, trust_env=False, timeout=httpx.Timeout(5.0, connect=2.0)
            )
        return self._clients[secure]

    async def ask(self, running: Running) -> Health:
        try:
            async with asyncio.timeout(LIMIT):
                return await self._ask(self._client(running.address), running)
        except TimeoutError:
            return Health(False, False, told="it did not answer in time")

    async def _ask(self, client: httpx.AsyncClient, running: Running) -> Health:
        try:
            if running.kind != "external":  # not every server has this route
                answer = await client.get(f"{running.address}/health")
                if answer.status_code != 200:
                    return Health(True, False, told=untrusted_line(answer.text))
            return await self._models(client, running)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Health(False, False, told=untrusted_line(str(error)) or type(error).__name__)

    async def _models(self, client: httpx.AsyncClient, running: Running) -> Health:
        headers = {"Authorization": f"Bearer {running.key}"} if running.key else {}
        answer = await client.get(f"{running.address}/v1/models", headers=headers)
        if answer.status_code != 200:
            return Health(True, False, told=f"/v1/models answers {answer.status_code}")
        try:
            return Health(True, True, _names(answer.json()))
        except ValueError:
            return Health(True, False, told="/v1/models answers something else than JSON")

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def _names(listing: Any) -> tuple[str, ...]:
    names: list[str] = []
    try:
        for model in listing["data"]:
            names += [str(model["id"]), *map(str, model.get("aliases") or ())]
    except (KeyError, TypeError, AttributeError):
        pass
    return tuple(untrusted_line(name) for name in names)
