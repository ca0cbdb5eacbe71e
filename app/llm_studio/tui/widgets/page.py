"""A field of several lines. Apart: what Textual edits with would take its part of each start."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from llm_studio.tui.widgets.typing import do_now


class Page(TextArea):
    async def _on_key(self, event: events.Key) -> None:
        await do_now(self, event)
