"""Small screens over the pane: a question, a word to type, a failure told in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from llm_studio.errors import StudioError
from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.painted import Role
from llm_studio.tui.widgets.typing import Field

STAY = "stay"
"""The choice that changes nothing, as leaving the question does."""


class Answer(NamedTuple):
    """What was chosen (nothing where the question was left), and whether for good."""

    id: str
    remember: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    key: str
    title: str
    detail: str = ""
    role: Role = ""


class Dialog(ModalScreen[Answer]):
    """A panel in the middle; Esc leaves it without an answer."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 94%;
        background: $background; border: round $border; padding: 0 1;
    }
    Dialog Static { width: 1fr; padding: 0 1; margin-bottom: 1; }
    Dialog Static.title { text-style: bold; }
    Dialog Static.quiet { color: $dim; }
    Dialog Static.last { margin-bottom: 0; }
    Dialog Input { margin-bottom: 1; }
    Dialog VerticalScroll { height: auto; max-height: 12; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back")]

    def action_leave(self) -> None:
        self.dismiss(Answer(""))

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.action_leave()


class Question(Dialog):
    """One of a few answers, each with a key of its own."""

    def __init__(
        self, title: str, text: str, choices: Sequence[Choice], *, remember: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = choices
        self._remember = remember
        self._remembered = False

    def compose(self) -> ComposeResult:
        columns = (Column(""), Column("", flexible=True, least=20), Column("", flexible=True))
        with Vertical():
            yield Static(Content(self._title), classes="title")
            if self._text:
                yield Static(Content(self._text))
            yield Listing(columns, titled=False)
            if self._remember:
                yield Static(self._box(), id="remember", classes="quiet last")

    def on_mount(self) -> None:
        listing = self.query_one(Listing)
        listing.styles.height = len(self._choices)
        listing.show(
            [
                Row(
                    choice.id,
                    ((choice.key, "accent"), (choice.title, choice.role), (choice.detail, "dim")),
                )
                for choice in self._choices
            ]
        )
        listing.styles.margin = (0, 0, 1 if self._remember else 0, 0)

    def on_key(self, event: events.Key) -> None:
        if event.key == "r" and self._remember:
            self._remembered = not self._remembered
            self.query_one("#remember", Static).update(self._box())
        for choice in self._choices:
            if event.character == choice.key:
                event.stop()
                self._answer(choice.id)
        if event.key == "enter":
            event.stop()  # else it goes on to what lies under the question
            self._answer(self.query_one(Listing).key)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self._answer(event.key)

    def _answer(self, id_: str) -> None:
        self.dismiss(Answer("") if id_ == STAY else Answer(id_, self._remembered))

    def _box(self) -> Content:
        return Content(f"r  {'●' if self._remembered else '○'} {self._remember}")


class Ask(Dialog):
    """A word to type."""

    def __init__(self, title: str, text: str, value: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title")
            yield Field(self._value)
            yield Static(Content(self._text), classes="quiet last")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(Answer(event.value.strip()))


def _typed(text: str) -> Iterator[str | tuple[str, str]]:
    """What is to be typed stands out, in place of its quotes."""
    for at, part in enumerate(re.split(r"`([^`\n]+)`", text)):
        yield (part, "bold $accent") if at % 2 else part


class Trouble(Dialog):
    """What happened, why, and what to do next; the rest on demand."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave", "close"),
        Binding("d", "details", "details"),
    ]

    def __init__(self, error: StudioError, details: Sequence[str] = ()) -> None:
        super().__init__()
        self._error = error
        self._details = "\n".join(details)

    def compose(self) -> ComposeResult:
        error = self._error
        with Vertical():
            yield Static(Content.assemble(("✗ ", "$error"), (error.what, "bold")))
            if error.why:
                yield Static(Content(error.why))
            if error.hint:
                yield Static(Content.assemble(("→ ", "$accent"), *_typed(error.hint)))
            if self._details:
                with VerticalScroll(id="details"):
                    yield Static(Content(self._details), classes="quiet last")
            keys = "Esc closes" + (" · d shows the details" if self._details else "")
            yield Static(Content(keys), classes="quiet last")

    def on_mount(self) -> None:
        self._fold(False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "details" or bool(self._details)

    def action_details(self) -> None:
        self._fold(not self.query_one("#details").display)

    def _fold(self, shown: bool) -> None:
        for details in self.query("#details"):
            details.display = shown
            if shown:
                details.focus()
                details.scroll_end(animate=False)  # the last lines tell the most
