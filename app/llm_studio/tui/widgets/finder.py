"""Find one of many by typing: the command palette and the model picker are two of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.painted import Role
from llm_studio.tui.widgets.typing import Field


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be found: `id` is the answer."""

    id: str
    title: str
    detail: str = ""
    key: str = ""
    sign: str = ""
    role: Role = ""


class Finder(ModalScreen[str]):
    """Answers with the id of what was chosen, or with nothing."""

    DEFAULT_CSS = """
    Finder { align: center top; }
    Finder > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 90%; margin-top: 2;
        background: $background; border: round $border; padding: 0 1;
    }
    Finder Input { margin-bottom: 1; }
    Finder Listing { height: auto; max-height: 20; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "back"),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
    ]

    def __init__(self, items: Sequence[Item], *, hint: str) -> None:
        super().__init__()
        self._items = items
        self._hint = hint

    def compose(self) -> ComposeResult:
        columns = (
            Column(""),
            Column("", flexible=True, least=16),
            Column("", flexible=True, yields=1, least=12, fills=True),
            Column("", right=True, yields=2),
        )
        with Vertical():
            yield Field(placeholder=self._hint, select_on_focus=False)
            yield FoundListing(columns, titled=False)

    def on_mount(self) -> None:
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self) -> None:
        self.dismiss(self.query_one(Listing).key)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.dismiss(event.key)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss("")

    def action_move(self, step: int) -> None:
        self.query_one(Listing).action_move(step)

    def action_page(self, step: int) -> None:
        self.query_one(Listing).action_page(step)

    def _show(self, wanted: str) -> None:
        scored = [(score(wanted, item), index, item) for index, item in enumerate(self._items)]
        found = [item for points, _, item in sorted(scored, key=lambda s: s[:2]) if points >= 0]
        rows = [
            Row(
                item.id,
                (
                    (item.sign, item.role),
                    (item.title, ""),
                    (item.detail, "dim"),
                    (item.key, "accent"),
                ),
            )
            for item in found
        ]
        listing = self.query_one(Listing)
        listing.show(rows or [Row("", (("Nothing is called so.", "dim"),) * 1)])
        listing.action_edge(-1)
        listing.styles.height = max(min(len(rows), 20), 1)


class FoundListing(Listing, can_focus=False):
    """Its cursor is moved by the keys of the input above it."""

    lit = True


def score(wanted: str, item: Item) -> int:
    """How near an item is to what was typed, 0 the nearest; -1 where it is not meant."""
    total = 0
    title, rest = item.title.lower(), f"{item.id} {item.detail}".lower()
    for word in wanted.lower().split():
        at = title.find(word)
        if at == 0 or (at > 0 and not title[at - 1].isalnum()):
            continue
        if at > 0:
            total += 1
        elif word in rest:
            total += 2
        elif _scattered(word, title):
            total += 5
        else:
            return -1
    return total


def _scattered(word: str, text: str) -> bool:
    """Whether the letters of a word come in this order."""
    letters = iter(text)
    return all(letter in letters for letter in word)
