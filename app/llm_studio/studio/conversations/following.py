"""An answer's news for whoever follows it, from any place on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from llm_studio.studio.conversations.answering import Answering
from llm_studio.studio.conversations.message import Message

SELDOM = 0.25
"""Seconds between two tellings of the figures, which change with every token."""


async def updates(answering: Answering, thought: int, text: int) -> AsyncIterator[dict[str, Any]]:
    """What comes after so many characters of thought and text, as it comes; ends with the answer.

    Each update says with which lengths to go on after it.
    """
    message, told_at, stage, tools = answering.message, 0.0, "", -1
    while True:
        over = answering.task.done()
        waits = asyncio.ensure_future(answering.changed())
        new_thought, new_text = message.thought.after(thought), message.text.after(text)
        thought, text = max(thought, message.thought.length), max(text, message.text.length)
        update: dict[str, Any] = {}
        if new_thought or new_text:
            update |= {"thought": new_thought, "text": new_text}
        size = sum(len(each.name) + len(each.arguments) for each in message.tools)
        if message.tools and size != tools:
            tools = size
            update["tools"] = [each.model_dump() for each in message.tools]
        if answering.stage != stage:
            stage = update["stage"] = answering.stage
        if message.progress is not None:
            update["progress"] = message.progress.model_dump()
        if update and time.monotonic() - told_at > SELDOM:
            told_at = time.monotonic()
            update["figures"] = answering.figures
        if update:
            yield {**update, "mark": f"{thought}.{text}"}
        if over:
            waits.cancel()
            return
        await asyncio.wait([waits, answering.task], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()


async def ended(message: Message, thought: int, text: int) -> AsyncIterator[dict[str, Any]]:
    """All that is left to tell of an answer that is over."""
    yield {
        "thought": message.thought.after(thought),
        "text": message.text.after(text),
        "tools": [each.model_dump() for each in message.tools],
        "mark": f"{message.thought.length}.{message.text.length}",
    }
