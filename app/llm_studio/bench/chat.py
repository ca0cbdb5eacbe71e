"""Asks a profile as a chat client does, with the settings of its benchmarks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from llm_studio.bench.asking import CLIENT, Asker, NoAnswer, headers_of
from llm_studio.bench.record import Facts
from llm_studio.errors import StudioError
from llm_studio.profiles.catalogue import Entry
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.serving.reception import Reception
from llm_studio.studio.troubles import TOOL_CALL, trouble_in
from llm_studio.text import untrusted_line

Messages = Sequence[Mapping[str, Any]]
ROOM = 1024
"""Tokens of the context that the question may take."""


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    thought: str
    truncated: bool
    tokens: int
    seconds: float
    calls: tuple[tuple[str, str], ...] = ()
    """Of tools: the name and the arguments, as they came."""


class Unreadable(StudioError):
    """What the model wrote could not be read by the server: the fault of the model."""


@dataclass(frozen=True, slots=True)
class Question:
    """How everything is asked: greedy, unless the profile's [bench] says otherwise."""

    most_tokens: int
    temperature: float
    system: str = ""
    level: str = ""
    reasoning_format: str = ""

    @classmethod
    def of(cls, entry: Entry, most: int, context: int) -> Question:
        """Settings of the profile; an answer is no longer than the context lets it be."""
        profile = entry.require()
        bench, client = profile.bench, profile.client
        level = bench.reasoning_level or ""
        system = bench.system_prompt or ""
        if level and client.reasoning_prompt:
            told = client.reasoning_prompt.replace("{level}", level)
            system = f"{system}\n{told}".strip()
        longest = bench.max_tokens or most
        if context:
            longest = max(min(longest, context - ROOM), 64)
        return cls(longest, bench.temperature or 0.0, system, level, bench.reasoning_format or "")

    def without_system(self) -> Question:
        """For who puts the system prompt into the conversation."""
        return replace(self, system="")

    def settings(self) -> Facts:
        return {
            "temperature": self.temperature, "longest answer": self.most_tokens,
            "system prompt": self.system or None, "reasoning level": self.level or None,
        }  # fmt: skip

    def body(self, messages: Messages, model: str) -> dict[str, Any]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        body: dict[str, Any] = {
            "model": model, "messages": [*system, *messages], "max_tokens": self.most_tokens,
            "temperature": self.temperature, "stream": False, "seed": 1,
        }  # fmt: skip
        if not self.temperature:
            # Else the samplers of the profile would still have a say.
            body |= {"top_p": 1.0, "top_k": 1, "min_p": 0.0, "repeat_penalty": 1.0,
                     "presence_penalty": 0.0, "frequency_penalty": 0.0}  # fmt: skip
        if self.level:
            body["chat_template_kwargs"] = {"reasoning_effort": self.level}
        if self.reasoning_format:
            body["reasoning_format"] = self.reasoning_format
        return body


class Chat(Asker):
    """One profile's engine, asked in words."""

    def __init__(self, reception: Reception, entry: Entry) -> None:
        super().__init__(reception, entry.id)
        self._entry = entry

    async def abilities(self) -> tuple[int, int]:
        """Slots and the context of each; one and unknown where the server tells nothing."""
        try:
            props = await self.props()
        except StudioError:
            return 1, 0
        context = (props.get("default_generation_settings") or {}).get("n_ctx")
        slots = props.get("total_slots")
        return (slots if isinstance(slots, int) and 0 < slots <= 64 else 1), (
            context if isinstance(context, int) and context > 0 else 0
        )

    async def ask(self, prompt: str, question: Question) -> Reply:
        return await self.talk([{"role": "user", "content": prompt}], question)

    async def talk(self, messages: Messages, question: Question, **more: Any) -> Reply:
        """What it says to a conversation; `more` goes into the request."""
        record = RequestRecord(route="/v1/chat/completions", client=CLIENT, model=self._entry.id)
        begun = time.perf_counter()
        async with self._reception.lease(record) as target:
            body = question.body(messages, target.model or self._entry.id) | more
            url = f"{target.address}/v1/chat/completions"
            self.running += 1
            try:
                answer = await self._client.post(url, json=body, headers=headers_of(target))
                if answer.status_code != 200:
                    why = untrusted_line(answer.text)
                    what = f"A request was answered {answer.status_code}"
                    unread = more and trouble_in(answer.content, done=False) == TOOL_CALL
                    raise (Unreadable if unread else NoAnswer)(what, why=why)
                told = answer.json()
                choice = told["choices"][0]
                message = choice["message"]
                return Reply(
                    _text(message.get("content")),
                    _text(message.get("reasoning_content")),
                    choice.get("finish_reason") == "length",
                    int((told.get("usage") or {}).get("completion_tokens") or 0),
                    time.perf_counter() - begun,
                    tuple(
                        (_text(each["function"]["name"]), _text(each["function"]["arguments"]))
                        for each in message.get("tool_calls") or ()
                    ),
                )
            except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
                raise NoAnswer("A request failed", why=untrusted_line(str(error))) from error
            finally:
                self.running -= 1


def _text(value: object) -> str:
    """As the model wrote it, for it may be code; who shows it passes it through the gate."""
    return str(value or "").encode("utf-8", "replace").decode()
