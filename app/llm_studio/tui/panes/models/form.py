"""The values that are changed most, as a form; the whole file is one key away in $EDITOR."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from llm_studio.text import untrusted_line
from llm_studio.tui.dialogs import STAY, Ask, Choice, Question
from llm_studio.tui.panes.models.trial import CACHE_TYPES
from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.painted import Role

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp
    from llm_studio.tui.panes.models.detail import Value


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a profile, and what to know about it."""

    key: str
    doc: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]


FIELDS = (
    Field("server.context", "Tokens of context, like 32768; auto is the most that fits."),
    Field("server.cache_type_k", "Precision of cached keys. q8_0 halves the cache.", CACHE_TYPES),
    Field(
        "server.cache_type_v",
        "Precision of cached values. Less than f16 needs flash attention.",
        CACHE_TYPES,
    ),
    Field("server.gpu_layers", "Layers on the GPUs: a number, all, or auto (as many as fit)."),
    Field("server.parallel", "Requests served at a time; they share the context."),
    Field("server.idle_unload", "Unload after so long without a request: 30m, 2h, or never."),
    Field("sampling.temperature", "0 to 5. Higher is more varied; 0 takes the likeliest word."),
    Field("sampling.top_k", "Choose among so many of the likeliest words; 0 among all."),
    Field("sampling.top_p", "0 to 1. Choose among the words that make up this much."),
    Field("sampling.min_p", "0 to 1. Leave out words less likely than this part of the best."),
    Field("sampling.repeat_penalty", "Above 1, words that were said lately become less likely."),
)


class FormScreen(ModalScreen[bool]):
    """Writes what was changed, when asked to; answers whether it did."""

    DEFAULT_CSS = """
    FormScreen { align: center middle; }
    FormScreen > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 96%;
        background: $background; border: round $border; padding: 0 1;
    }
    FormScreen Static { padding: 0 1; }
    FormScreen .title { margin-bottom: 1; }
    FormScreen #doc { margin-top: 1; height: 2; }
    FormScreen #keys { color: $dim; }
    FormScreen Listing { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("enter", "change", "change"),
        Binding("delete,backspace", "unset", "unset"),
        Binding("w", "write", "write"),
    ]

    def __init__(self, id_: str, values: tuple[Value, ...]) -> None:
        super().__init__()
        self._profile = id_
        self._told = {value.key: value for value in values}
        self._changes: dict[str, Any] = {}

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
            yield Static(
                Content.assemble(("Edit ", "bold"), (self._profile, "bold")), classes="title"
            )
            yield Listing(columns)
            yield Static(id="doc")
            yield Static(id="keys")

    def on_mount(self) -> None:
        listing = self.query_one(Listing)
        listing.styles.height = min(len(FIELDS) + 1, max(self.app.size.height - 9, 4))
        self._show()
        listing.focus()

    def _show(self) -> None:
        self.query_one(Listing).show([self._row(each) for each in FIELDS])
        keys = "Enter changes, Del leaves it to the default, "
        keys += "w writes, Esc drops" if self._changes else "Esc goes back"
        self.query_one("#keys", Static).update(Content(keys))
        self._explain()

    def _row(self, field: Field) -> Row:
        role: Role
        told = self._told.get(field.key)
        if field.key in self._changes:
            value = self._changes[field.key]
            shown = "default" if value is None else _written(value)
            return Row(
                field.key, ((field.name, ""), (shown, "strong"), ("changed, not written", "warn"))
            )
        value, origin = (told.value, told.origin) if told else ("–", "default")
        role = "" if told else "dim"
        return Row(field.key, ((field.name, ""), (value, role), (origin, "dim")))

    @property
    def _field(self) -> Field:
        key = self.query_one(Listing).key
        return next(each for each in FIELDS if each.key == key)

    def on_listing_highlighted(self) -> None:
        self._explain()

    def _explain(self) -> None:
        if self.query_one(Listing).key:
            self.query_one("#doc", Static).update(Content(self._field.doc))

    def on_listing_chosen(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        self.studio.do(self._change(self._field))

    async def _change(self, field: Field) -> None:
        told = self._told.get(field.key)
        now = _written(self._changes.get(field.key) or (told.value if told else ""))
        if field.choices:
            choices = tuple(
                Choice(each, str(at), each, "now" if each == now else "")
                for at, each in enumerate(field.choices, 1)
            )
            answer = await self.app.push_screen_wait(Question(field.name, field.doc, choices))
        else:
            answer = await self.app.push_screen_wait(Ask(field.name, field.doc, now))
        if answer.id:
            self._set(field, read(answer.id))

    def action_unset(self) -> None:
        self._set(self._field, None)

    def _set(self, field: Field, value: Any) -> None:
        told = self._told.get(field.key)
        own = told is not None and told.origin == "profile"
        same = not own if value is None else told is not None and _written(value) == told.value
        if same:
            self._changes.pop(field.key, None)
        else:
            self._changes[field.key] = value
        self._show()

    def action_write(self) -> None:
        if self._changes:
            self.studio.do(self._write())

    async def _write(self) -> None:
        """Write it; what is refused stays in the form, to be mended."""
        await self.studio.wire.ask("PATCH", f"/profiles/{self._profile}", self._changes)
        self.dismiss(True)

    def action_leave(self) -> None:
        if self._changes:
            self.studio.do(self._leave())
        else:
            self.dismiss(False)

    async def _leave(self) -> None:
        choices = (Choice("drop", "y", "Drop the changes"), Choice(STAY, "n", "Go on editing"))
        answer = await self.app.push_screen_wait(Question("Nothing is written yet", "", choices))
        if answer.id:
            self.dismiss(False)


def _written(value: Any) -> str:
    return untrusted_line(value) if isinstance(value, str) else json.dumps(value)


def read(text: str) -> Any:
    """What was typed as TOML has it: a number where it is one, else a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
