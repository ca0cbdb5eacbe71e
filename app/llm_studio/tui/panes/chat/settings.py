"""The settings of a conversation: what holds, who set it, and changing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from llm_studio.errors import UsageError
from llm_studio.text import untrusted, untrusted_line
from llm_studio.tui.dialogs import Answer, Ask, Choice, Dialog, Question
from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.page import Page

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

LONG = ("system_prompt", "json_schema", "grammar")
_ORIGINS = {"profile": "profile", "conversation": "here", "engine": "engine's default"}
UNSET = "unset"


class ChatSettingsScreen(ModalScreen[dict[str, Any]]):
    """Answers with the conversation's own settings, changed; with nothing where none was."""

    DEFAULT_CSS = """
    ChatSettingsScreen { align: center middle; }
    ChatSettingsScreen > Vertical {
        width: 90; max-width: 96%; height: auto; max-height: 94%;
        background: $background; border: round $border; padding: 0 1;
    }
    ChatSettingsScreen Static { margin-bottom: 1; }
    ChatSettingsScreen #doc { color: $dim; margin: 1 0 0 0; height: 2; }
    ChatSettingsScreen Listing { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "done"),
        Binding("enter", "change", "change"),
        Binding("delete,backspace", "unset", "as the profile says"),
    ]

    def __init__(self, facts: dict[str, Any], own: dict[str, Any]) -> None:
        """`own` is what the conversation has set, as the wire has it."""
        super().__init__()
        self._facts = facts
        self._told = {each["key"]: each for each in facts["settings"]}
        self._own = {**own, "sampling": dict(own.get("sampling", {}))}
        self._changed = False

    @property
    def studio(self) -> StudioApp:
        return cast("StudioApp", self.app)

    def compose(self) -> ComposeResult:
        columns = (
            Column("SETTING"),
            Column("VALUE", flexible=True, least=10, fills=True),
            Column("SET BY"),
        )
        with Vertical():
            yield Static(Content.styled("Settings of this conversation", "bold"))
            yield Listing(columns)
            yield Static(id="doc")

    def on_mount(self) -> None:
        listing = self.query_one(Listing)
        listing.styles.height = min(len(self._told) + 1, max(self.app.size.height - 10, 4))
        self._show()
        listing.focus()

    def _show(self) -> None:
        rows = []
        for key, each in self._told.items():
            value = self._value(key)
            mine = self._mine(key)
            origin = "conversation" if mine else "engine" if value is None else each["origin"]
            if origin == "conversation" and not mine:
                origin = "engine"
            told = "" if value is None else untrusted_line(_written(value))
            rows.append(
                Row(key, ((key, ""), (told or "–", "strong" if mine else "" if told else "dim"),
                          (_ORIGINS[origin], "accent" if mine else "dim")))
            )  # fmt: skip
        self.query_one(Listing).show(rows)
        self._explain()

    def _mine(self, key: str) -> bool:
        if key in self._own:
            return self._own[key] is not None
        return key in self._own["sampling"]

    def _value(self, key: str) -> Any:
        if self._mine(key):
            return self._own.get(key, self._own["sampling"].get(key))
        told = self._told[key]
        return told["value"] if told["origin"] == "profile" else None

    def on_listing_highlighted(self) -> None:
        self._explain()

    def _explain(self) -> None:
        key = self.query_one(Listing).key
        doc = untrusted_line(self._told[key]["doc"]) if key else ""
        keys = "Enter changes it · Del takes it back · Esc is done"
        self.query_one("#doc", Static).update(Content(f"{doc}\n{keys}"))

    def on_listing_chosen(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        self.studio.do(self._change(self.query_one(Listing).key))

    async def _change(self, key: str) -> None:
        value = self._value(key)
        levels = [str(each) for each in self._facts.get("levels", ())]
        if key == "reasoning_level" and levels:
            choices = tuple(Choice(each, str(at), each) for at, each in enumerate(levels, 1))
            answer = await self.app.push_screen_wait(Question("Reasoning level", "", choices))
        else:
            screen = LongText if key in LONG else Ask
            doc = untrusted_line(self._told[key]["doc"])
            answer = await self.app.push_screen_wait(
                screen(key, doc, "" if value is None else _written(value, lines=key in LONG))
            )
            if answer.remember is False and not answer.id:
                return
        if answer.id:
            self._set(key, None if answer.id == UNSET else _read(key, answer.id))

    def action_unset(self) -> None:
        self._set(self.query_one(Listing).key, None)

    def _set(self, key: str, value: Any) -> None:
        if key in self._own:
            self._own[key] = value
        elif value is None:
            self._own["sampling"].pop(key, None)
        else:
            self._own["sampling"][key] = value
        self._changed = True
        self._show()

    def action_leave(self) -> None:
        self.dismiss(self._own if self._changed else {})


class LongText(Dialog):
    """Some lines to write."""

    DEFAULT_CSS = """
    LongText > Vertical { width: 90; }
    LongText TextArea { height: 12; border: none; background: $panel; margin-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s,f10", "keep", "keep", priority=True)]

    def __init__(self, title: str, text: str, value: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title")
            yield Page(
                untrusted(self._value), soft_wrap=True, compact=True, show_line_numbers=False
            )
            told = f"{self._text} Ctrl+S keeps it, Esc does not; left empty, there is none."
            yield Static(Content(told), classes="quiet last")

    def action_keep(self) -> None:
        self.dismiss(Answer(self.query_one(TextArea).text.strip() or UNSET))


def _written(value: Any, *, lines: bool = False) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2 if lines and isinstance(value, dict) else None)


def _read(key: str, text: str) -> Any:
    """What was typed, as the setting takes it."""
    if key in ("system_prompt", "grammar", "reasoning_level"):
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        if key == "json_schema":
            raise UsageError("This is no JSON", why=str(error)) from error
        value = [each.strip() for each in text.split(",")] if key == "samplers" else text
    return value
