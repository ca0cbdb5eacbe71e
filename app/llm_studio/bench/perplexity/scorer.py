"""Asks llama-server how likely it held the token that really came next.

The server tells no probabilities of a prompt. It tells those of the token that it chose, before
any sampler had its say; so it is made to choose the one that is asked about. That is a request for
each token, of which it reads one alone: the rest of the prompt is in its cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from llm_studio.bench.asking import CLIENT, Asker, NoAnswer, headers_of
from llm_studio.errors import NotReady
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.text import untrusted_line

FORCE = 1e6
"""Added to a token's score: no other can be chosen."""
DEEPER = (100, 2000, 1 << 20)
"""How many of the likeliest tokens are looked at for one that cannot be told by itself."""
LEAST = -103.0
"""Below it the server's probabilities are rounded to nothing."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as the model reads it."""

    tokens: list[int]
    sizes: list[int]
    """Bytes of each token."""
    begin: int | None
    """The token that this model wants first, where it wants one."""


class Scorer(Asker):
    """One profile's engine, asked for probabilities."""

    _plain: int | None = None

    async def read(self, text: str) -> Text:
        body = {"content": text, "add_special": False, "parse_special": False, "with_pieces": True}
        told = (await self._json("POST", "/tokenize", body)).get("tokens")
        try:
            tokens = [int(each["id"]) for each in told or ()]
            pieces = [each["piece"] for each in told or ()]
        except (TypeError, KeyError, ValueError) as error:
            raise NotReady(
                "This server tells no tokens with their text",
                hint="It is too old for this benchmark: use a newer llama-server.",
            ) from error
        sizes = [len(each.encode() if isinstance(each, str) else each) for each in pieces]
        begin = await self._begin()
        if begin is not None:
            tokens, sizes = [begin, *tokens], [0, *sizes]
        return Text(tokens, sizes, begin)

    async def _begin(self) -> int | None:
        body = {"content": "a", "add_special": True, "parse_special": False}
        with_special = (await self._json("POST", "/tokenize", body)).get("tokens") or []
        plain = await self.tokens("a")
        self._plain = plain[-1] if plain else None
        if with_special[:1] != plain[:1] and with_special:
            return int(with_special[0])
        return None

    async def logprob(self, before: Sequence[int], token: int, slot: int) -> float:
        """The logarithm of the probability that `token` comes after `before`."""
        found = await self._probabilities(before, token, 1, slot)
        if found is not None:
            if found.get("id") != token:
                raise NoAnswer("The server chose another token than it was made to")
            return _log(found)
        # A token that ends within a character is not told of, so it is sought in another's list.
        for count in DEEPER if self._plain is not None else ():
            found = await self._probabilities(before, self._plain, count, slot)
            for each in (found or {}).get("top_logprobs") or ():
                if each.get("id") == token:
                    return _log(each)
        raise NoAnswer("The server tells no probabilities")

    async def _probabilities(
        self, before: Sequence[int], token: int | None, count: int, slot: int
    ) -> dict[str, Any] | None:
        body = {
            "prompt": list(before), "n_predict": 1, "n_probs": count, "stream": False,
            "logit_bias": [[token, FORCE]], "samplers": ["top_k"], "top_k": 1, "temperature": 0.0,
            "cache_prompt": True, "id_slot": slot,
        }  # fmt: skip
        record = RequestRecord(route="/completion", client=CLIENT, model=self._profile)
        async with self._reception.lease(record) as target:
            self.running += 1
            if target.instance not in self.engines:
                self.engines.append(target.instance)
            try:
                answer = await self._client.post(
                    f"{target.address}/completion", json=body, headers=headers_of(target)
                )
                if answer.status_code != 200:
                    why = untrusted_line(answer.text)
                    raise NoAnswer(f"A request was answered {answer.status_code}", why=why)
                told = answer.json().get("completion_probabilities") or [None]
                return told[0] if isinstance(told[0], dict) else None
            except (httpx.HTTPError, ValueError, AttributeError) as error:
                raise NoAnswer("A request failed", why=untrusted_line(str(error))) from error
            finally:
                self.running -= 1


def _log(told: dict[str, Any]) -> float:
    value = told.get("logprob")
    if not isinstance(value, int | float) or math.isnan(value):
        raise NoAnswer("The server tells no probabilities")
    return max(min(float(value), 0.0), LEAST)
