"""What llama-server tells of its work: `/metrics` and `/slots`, and speeds derived from both.

Its counters move when a request ends, and its own rates are averages since the start. What a
request in flight has done so far is in `/slots`; the sum of both, twice, is the speed now.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

Reading = dict[str, Any]
"""Fields of `schema.EngineSample` by name."""
LONGEST = 4 << 20
MUTE = 30.0
"""Seconds for which a server that told nothing (it need not be a llama-server) is left alone."""


class EngineProbe:
    """Asks one engine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mute_until = -math.inf
        self._client: httpx.AsyncClient | None = None
        self._generated = _Rate()
        self._prompt = _Rate()

    async def read(self, address: str, key: str, *, slots: bool = True) -> Reading:
        """The engine's figures now; `slots` is False where asking would keep a model awake."""
        if self._clock() < self._mute_until:
            return {}
        # In this order a request that ends in between is missed for a moment, never counted twice.
        counters = _counters(await self._ask(f"{address}/metrics", key))
        found = _slots(await self._ask(f"{address}/slots", key)) if slots else None
        if not counters and found is None:
            self._mute_until = self._clock() + MUTE
        return {**self._speeds(counters, found), **_states(counters, found)}

    async def _ask(self, url: str, key: str) -> httpx.Response | None:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=False,  # loopback without TLS; building a context takes 40 ms
                trust_env=False,
                timeout=httpx.Timeout(10.0, connect=2.0),
            )
        try:
            answer = await self._client.get(url, headers={"Authorization": f"Bearer {key}"})
        except httpx.HTTPError:
            return None
        fits = answer.status_code == 200 and len(answer.content) < LONGEST
        return answer if fits else None

    def _speeds(self, counters: Mapping[str, float], slots: list[Reading] | None) -> Reading:
        now = self._clock()
        generated = counters.get("tokens_predicted_total")
        prompt = counters.get("prompt_tokens_total")
        for slot in slots or ():
            if slot["working"]:
                if generated is not None:
                    generated += slot["decoded"]
                if prompt is not None and not slot["decoded"]:
                    prompt += slot["read"]
        return {
            "speed": self._generated.now(generated, now),
            "prompt_speed": self._prompt.now(prompt, now),
        }

    def idle(self) -> None:
        """It did nothing since it was asked last; what it does next counts from now on."""
        for rate in (self._generated, self._prompt):
            rate.still(self._clock())

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class _Rate:
    """The speed at which a count grows. One that falls back for a moment is waited for."""

    def __init__(self) -> None:
        self._base: tuple[float, float] | None = None
        self._last: float | None = None

    def now(self, count: float | None, at: float) -> float | None:
        if count is None:
            self._base = self._last = None
            return None
        if self._base is None:
            self._base = (count, at)
            return None
        before, since = self._base
        if count >= before and at > since:
            self._last = (count - before) / (at - since)
            self._base = (count, at)
        elif at - since > 5.0:  # it counts anew
            self._base, self._last = (count, at), None
        return self._last

    def still(self, at: float) -> None:
        if self._base is not None:
            self._base = (self._base[0], at)


def _counters(answer: httpx.Response | None) -> dict[str, float]:
    found = {}
    for line in answer.text.splitlines() if answer is not None else ():
        name, _, value = line.partition(" ")
        if name.startswith("llamacpp:"):
            with contextlib.suppress(ValueError):
                number = float(value)
                if math.isfinite(number):
                    found[name.removeprefix("llamacpp:")] = number
    return found


def _slots(answer: httpx.Response | None) -> list[Reading] | None:
    """The slots, from the form that this build gives them."""
    try:
        told = answer.json() if answer is not None else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, list):
        return None
    slots = []
    for each in told:
        if not isinstance(each, dict):
            return None
        following = each.get("next_token")
        if isinstance(following, list):
            following = following[0] if following else None
        decoded = _number(following.get("n_decoded")) if isinstance(following, dict) else 0
        slots.append(
            {
                "working": each.get("is_processing") is True,
                "context": _number(each.get("n_ctx")),
                "decoded": decoded,
                "read": _number(each.get("n_prompt_tokens_processed")),
                "cached": _number(each.get("n_prompt_tokens_cache")),
                "told": "n_prompt_tokens_processed" in each,
            }
        )
    return slots


def _states(counters: Mapping[str, float], slots: list[Reading] | None) -> Reading:
    reading: Reading = {
        "busy": _whole(counters.get("requests_processing")),
        "queue": _whole(counters.get("requests_deferred")),
        "cache_hits": _part(
            counters.get("prompt_tokens_cached_total"), counters.get("prompt_tokens_total")
        ),
    }
    drafted = counters.get("spec_decode_num_draft_tokens_total")
    accepted = counters.get("spec_decode_num_accepted_tokens_total")
    if drafted and accepted is not None:
        reading["draft_acceptance"] = accepted / drafted
    if slots is not None:
        working = [slot for slot in slots if slot["working"]]
        reading["slots"] = len(slots)
        reading["busy"] = len(working)
        reading["context"] = max((slot["context"] for slot in slots), default=0) or None
        if all(slot["told"] for slot in working):
            sizes = [
                slot["working"] * (slot["read"] + slot["cached"] + slot["decoded"])
                for slot in slots
            ]
            reading["slot_tokens"] = sizes
            reading["context_used"] = max(sizes, default=0)
    return reading


def _part(some: float | None, others: float | None) -> float | None:
    if some is None or others is None or not some + others:
        return None
    return some / (some + others)


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and abs(value) < 1e15 else None


def _number(value: object) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return value if fits and isinstance(value, int) else 0
