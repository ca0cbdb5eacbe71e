"""Where one writes: several lines, with what was written before, and safe against any paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.chat import WRITING
from llm_studio.tui.panes.chat.model import shown
from llm_studio.tui.widgets.page import Page

LARGE = 4_000
MANY = 40
"""Characters and lines beyond which a paste goes along as a file: nobody edits it here."""
HIGHEST = 8


def _binding(action: Action) -> Binding:
    # Before the page itself, to which Enter is a new line.
    return Binding(
        action.keys, action.method, action.footer or action.title, id=action.id,
        show=bool(action.footer), tooltip=action.doc, priority=True,
    )  # fmt: skip


class Composer(Page):
    DEFAULT_CSS = """
    Composer, Composer:focus {
        height: 1; border: none; padding: 0 1; background: $panel; color: $foreground;
        scrollbar-size-vertical: 1;
    }
    Composer .text-area--cursor-line { background: $panel; }
    Composer .text-area--placeholder { color: $dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [_binding(action) for action in WRITING]

    @dataclass
    class Sent(Message):
        text: str

    @dataclass
    class Pasted(Message):
        """So much that it is better sent along as a file."""

        text: str

    def __init__(self) -> None:
        super().__init__(
            soft_wrap=True, compact=True, show_line_numbers=False, tab_behavior="focus",
            highlight_cursor_line=False, placeholder="Write a message; Enter sends it",
        )  # fmt: skip
        self.past: list[str] = []
        """What was written before, the newest last."""
        self._at = 0
        self._draft = ""

    # A binding with priority runs before letters that came with it in one burst are taken in:
    # what it does waits for its turn among them.

    def action_send(self) -> None:
        self.call_later(lambda: self.post_message(self.Sent(self.text)))

    def action_newline(self) -> None:
        self.call_later(self.insert, "\n")

    def put(self, text: str) -> None:
        """Something to go on from."""
        self.text = text
        self.move_cursor(self.document.end)
        self._fit()

    def clear_written(self) -> None:
        """What was written is sent."""
        text = self.text.strip()
        if text and (not self.past or self.past[-1] != text):
            self.past.append(text)
        self._at, self._draft = 0, ""
        self.put("")

    def on_text_area_changed(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        height = min(max(self.wrapped_document.height, 1), HIGHEST)
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height

    # What was written before

    def action_cursor_up(self, select: bool = False) -> None:
        if self.cursor_location[0] == 0 and not select and not self._navigated_up():
            self._recall(1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if self._at and self.cursor_location == self.document.end and not select:
            self._recall(-1)
        else:
            super().action_cursor_down(select)

    def _navigated_up(self) -> bool:
        """Whether there is a row above within a line that is broken."""
        return self.wrapped_document.location_to_offset(self.cursor_location).y > 0

    def _recall(self, step: int) -> None:
        at = self._at + step
        if not 0 <= at <= len(self.past):
            return
        if self._at == 0:
            self._draft = self.text
        self._at = at
        self.put(self.past[-at] if at else self._draft)

    # Pasting

    async def _on_paste(self, event: events.Paste) -> None:
        # The text area would lay all of it out, and draw controls as they are.
        event.prevent_default()
        event.stop()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > LARGE or text.count("\n") > MANY:
            self.post_message(self.Pasted(text))
            return
        result = self._replace_via_keyboard(shown(text), *self.selection)
        if result:
            self.move_cursor(result.end_location)
