"""What one answer is asked for: the path to it, as much of it as fits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from llm_studio.profiles.profile import Profile
from llm_studio.studio.conversations import prompt
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.engine import Abilities, Engines
from llm_studio.studio.conversations.message import Message
from llm_studio.studio.serving.desk import Target

ROOM = 1024
"""Tokens that are kept free for an answer where old messages are left out."""


class Request:
    """Of one message; `held` are the settings that it is asked with."""

    def __init__(
        self,
        conversation: Conversation,
        message: Message,
        profile: Profile | None,
        picture: Callable[[str], Awaitable[bytes]],
    ) -> None:
        self._conversation = conversation
        self._message = message
        self._profile = profile
        self._picture = picture
        self.held = prompt.effective(profile, conversation.settings)
        self.left_out = 0
        """Messages that were not sent, for they did not fit."""

    async def body(
        self, target: Target, abilities: Abilities, engines: Engines, *, trim: bool, resume: bool
    ) -> dict[str, Any]:
        path = prompt.since_summary(self._conversation.path(self._message.parent))
        if self._message.role == "summary":
            for key in ("system_prompt", "json_schema", "grammar"):
                self.held.pop(key, None)
            path, trim = [*path, _summarise()], True
        body = prompt.request_body(self.held, self._profile, llama=abilities.llama)
        if target.model:
            body["model"] = target.model
        if resume and not abilities.llama:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        tail = [self._message] if resume else []
        body["messages"] = await self._messages([*path, *tail])
        while trim and abilities.context and len(path) > 1:
            room = abilities.context - min(ROOM, abilities.context // 4)
            count = await engines.count_prompt(target, body)
            if count is None or count <= room:
                break
            kept = _newer(path, (count - room) / count)
            self.left_out += len(path) - len(kept)
            path = kept
            body["messages"] = await self._messages([*path, *tail])
        return body

    async def _messages(self, path: list[Message]) -> list[dict[str, Any]]:
        messages = await prompt.messages_of(path, self.held, self._profile, self._picture)
        if path[-1] is self._message and self._message.thought.length:
            # An answer is gone on with after the thoughts that led to it, not after none.
            messages[-1]["reasoning_content"] = str(self._message.thought).strip()
        return messages


def _newer(path: list[Message], share: float) -> list[Message]:
    """Without some of the oldest, about half of that share; the last one always stays."""
    out = min(max(int(len(path) * share / 2), 1), len(path) - 1)
    path = path[out:]
    while len(path) > 1 and path[0].role == "assistant":
        path = path[1:]  # what follows must not begin with an answer
    return path


def _summarise() -> Message:
    message = Message(0, 0, "user")
    message.text.add(prompt.SUMMARISE)
    return message
