"""A conversation as a file for people, or for other programs."""

from __future__ import annotations

import time

from llm_studio.schema_chat import Figures
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.message import Message


def as_markdown(conversation: Conversation) -> str:
    """The path that is shown."""
    lines = [f"# {conversation.shown_title}", ""]
    if conversation.settings.system_prompt:
        lines += ["## System prompt", "", conversation.settings.system_prompt, ""]
    for message in conversation.path(conversation.leaf):
        lines += [*_section(message), ""]
    return "\n".join(lines)


def as_json(conversation: Conversation) -> str:
    """All of it, every branch."""
    return conversation.told().model_dump_json(indent=2) + "\n"


def _section(message: Message) -> list[str]:
    names = {"user": "You", "assistant": message.profile or "Answer", "summary": "Summary"}
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.at))
    lines = [f"## {names[message.role]}", "", f"*{moment}{_told(message)}*", ""]
    for each in message.attachments:
        lines += [f"*Attached: {each.name}*", ""]
    if message.thought.length:
        thought = str(message.thought).strip()
        lines += ["<details><summary>Thoughts</summary>", "", thought, "", "</details>", ""]
    lines += [f"*Calls {each.name}:* `{each.arguments}`\n" for each in message.tools]
    lines.append(str(message.text).strip())
    if message.error:
        lines += ["", f"*{message.error}*"]
    return lines


def _told(message: Message) -> str:
    figures: Figures = message.figures
    parts = []
    if message.answer and figures.generated_tokens is not None:
        parts.append(f"{figures.generated_tokens:,} tokens")
    if message.answer and figures.speed is not None:
        parts.append(f"{figures.speed:.1f} tokens/s")
    return "".join(f" · {part}" for part in parts)
