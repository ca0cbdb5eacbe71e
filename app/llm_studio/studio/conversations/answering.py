"""One answer under way: it goes on whoever watches, and what came is kept however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from llm_studio.errors import StudioError
from llm_studio.profiles.profile import Profile
from llm_studio.schema_chat import ToolCall
from llm_studio.studio.conversations.conversation import Conversation, ended_record
from llm_studio.studio.conversations.engine import Abilities, Engines, Part, Refused
from llm_studio.studio.conversations.message import Message
from llm_studio.studio.conversations.meter import Meter
from llm_studio.studio.conversations.request import Request
from llm_studio.studio.serving.desk import RequestRecord, Target
from llm_studio.text import untrusted_line

WRITTEN = 0.25
"""Seconds in which pieces gather, to be written together."""


class House(Protocol):
    """What an answer needs of the studio around it."""

    engines: Engines

    def lease(self, record: RequestRecord) -> contextlib.AbstractAsyncContextManager[Target]: ...

    def remember(self, record: RequestRecord) -> None: ...

    async def serve(self, profile: str) -> None: ...

    async def profile(self, id_: str) -> Profile | None: ...

    async def picture(self, conversation: Conversation, key: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """How it is to be answered."""

    profile: str = ""
    """Nothing: whichever is served."""
    load: bool = False
    """Load the profile if it is not served."""
    trim: bool = False
    """Leave the oldest messages out where not all fit."""
    resume: bool = False
    """Go on with what there is of the answer."""


class Answering:
    """Fills a message with what an engine answers."""

    def __init__(
        self,
        house: House,
        conversation: Conversation,
        message: Message,
        wish: Wish,
        after: Awaitable[object] | None = None,
    ) -> None:
        """It begins once `after` is over."""
        self._house = house
        self._conversation = conversation
        self.message = message
        self._wish = wish
        self._meter = Meter(message.figures if wish.resume else None)
        self._record = RequestRecord(
            route="/v1/chat/completions", client="llm-studio-chat", model=wish.profile
        )
        self._changed = asyncio.Event()
        self._unwritten: tuple[list[str], list[str]] = ([], [])
        self._written = time.monotonic()
        self._cut = False
        self.stage = "waiting"
        self.task = asyncio.create_task(self._run(after), name=f"answer {message.id}")
        self.task.add_done_callback(self._over)

    def _over(self, _: asyncio.Task[None]) -> None:
        """One that was stopped before its first step never came to its own end."""
        if self.message.state == "running":
            self.message.state = "cut" if self._cut else "stopped"
            self._end()

    def stop(self, *, cut: bool = False) -> None:
        """End it now, which frees its place at the engine; `cut` where nobody wished for it."""
        self._cut = cut
        self.task.cancel()

    def changed(self) -> Coroutine[Any, Any, object]:
        """Returns at the next news after this call, even if it is awaited later than they come."""
        return self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # From its begin to its end

    async def _run(self, after: Awaitable[object] | None) -> None:
        message, record = self.message, self._record
        try:
            if after is not None:
                await after
            await self._answer()
            record.outcome = "done"
        except asyncio.CancelledError:
            message.state = "cut" if self._cut else "stopped"
            if self._cut:
                message.error = "The studio ended in the midst of it."
            record.outcome = "cancelled"
        except StudioError as error:
            self._fail(error.what, error.why, error.hint, getattr(error, "cause", ""))
        except Exception as error:  # a defect must not vanish with its task
            self._fail("A defect of llm-studio", type(error).__name__, "", "")
        finally:
            self._end()

    def _fail(self, what: str, why: str, hint: str, cause: str) -> None:
        message = self.message
        message.state, message.cause, message.hint = "failed", cause, hint
        message.error = untrusted_line(" ".join(filter(None, (f"{what}.", why))), limit=1000)
        self._record.outcome = "refused" if cause == "context" else "failed"

    def _end(self) -> None:
        message, record = self.message, self._record
        message.figures, message.progress = self._meter.figures, None
        self._write_pieces()
        self._conversation.record(ended_record(message), sync=True)
        self._meter.fill(record)
        if record.profile:  # one that was never admitted was no request of an engine's
            record.status = record.status or (499 if record.outcome == "cancelled" else 502)
            self._house.remember(record)
        self._tell()

    async def _answer(self) -> None:
        wish = self._wish
        if wish.load:
            self._enter(f"loading {wish.profile}")
            await self._house.serve(wish.profile)
        self._enter("waiting")
        async with self._house.lease(self._record) as target:
            message = self.message
            message.profile, message.image = target.profile, target.image
            self._enter("reading")
            abilities = await self._house.engines.abilities(target)
            self._meter.context = abilities.context
            body = await self._request(target, abilities)
            self._meter.asked()
            try:
                await self._take(target, body)
            except Refused as error:
                if not (wish.resume and "enable_thinking" in error.why):
                    raise
                # A template that thinks first cannot go on with an answer unless told not to.
                body["chat_template_kwargs"] = {"enable_thinking": False}
                await self._take(target, body)

    async def _request(self, target: Target, abilities: Abilities) -> dict[str, Any]:
        house, conversation, wish = self._house, self._conversation, self._wish
        profile = await house.profile(target.profile)
        request = Request(
            conversation, self.message, profile, lambda key: house.picture(conversation, key)
        )
        body = await request.body(
            target, abilities, house.engines, trim=wish.trim, resume=wish.resume
        )
        self.message.settings, self.message.left_out = request.held, request.left_out
        return body

    def _enter(self, stage: str) -> None:
        self.stage = stage
        self._tell()

    # The stream

    async def _take(self, target: Target, body: dict[str, Any]) -> None:
        message, meter = self.message, self._meter
        finish, echo = "", str(message.text) if self._wish.resume else ""
        stream = self._house.engines.answer(target, body)
        async with contextlib.aclosing(stream):
            async for part in stream:
                if not self._record.status:
                    self._record.status = 200
                meter.saw(part)
                finish = part.finish or finish
                message.model = part.model or message.model
                message.progress = meter.progress(part) or message.progress
                if echo and part.text:
                    part, echo = _without(echo, part), ""
                self._grow(part)
        if not finish:
            raise Refused(
                "The engine went away in the midst of the answer",
                cause="engine",
                hint="What came is kept: continue it, or ask again. `llm-studio logs` tells more.",
            )
        message.state = "length" if finish == "length" else "done"
        used, context = meter.figures.context_used, meter.context
        if finish == "length" and used and context and used >= context - 1:
            message.cause = "context"

    def _grow(self, part: Part) -> None:
        message = self.message
        if part.thought:
            self.stage = "thinking"
            message.thought.add(part.thought)
            self._unwritten[0].append(part.thought)
        if part.text:
            self.stage = "answering"
            message.text.add(part.text)
            self._unwritten[1].append(part.text)
        for each in part.tools:
            self.stage = "answering"
            _call(message.tools, each)
        if part.text or part.thought or part.tools:
            message.progress = None
            if time.monotonic() - self._written > WRITTEN:
                self._write_pieces()
        if part.text or part.thought or part.tools or part.progress:
            self._tell()

    @property
    def figures(self) -> dict[str, Any]:
        return self._meter.figures.model_dump(exclude_none=True)

    def _write_pieces(self) -> None:
        thought, text = self._unwritten
        self._unwritten, self._written = ([], []), time.monotonic()
        record: dict[str, Any] = {"is": "piece", "id": self.message.id, "at": time.time()}
        if thought:
            record["thought"] = "".join(thought)
        if text:
            record["text"] = "".join(text)
        if self.message.tools:
            record["tools"] = [each.model_dump() for each in self.message.tools]
        if len(record) > 3:
            self._conversation.journal.add(record)


def _without(echo: str, part: Part) -> Part:
    """Some servers begin a continued answer with what was there already: it is not said twice."""
    if part.text.startswith(echo):
        return replace(part, text=part.text[len(echo) :])
    return part


def _call(calls: list[ToolCall], delta: Any) -> None:
    """A piece of a tool call, put where it belongs."""
    index, function = delta.get("index"), delta.get("function")
    at = index if isinstance(index, int) and 0 <= index < 64 else max(len(calls) - 1, 0)
    while len(calls) <= at:
        calls.append(ToolCall())
    function = function if isinstance(function, dict) else {}
    name, arguments = function.get("name"), function.get("arguments")
    calls[at] = ToolCall(
        name=calls[at].name + (name if isinstance(name, str) else ""),
        arguments=calls[at].arguments + (arguments if isinstance(arguments, str) else ""),
    )
