"""All conversations: found by their words, opened, renamed, deleted."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line
from llm_studio.tui.dialogs import STAY, Ask, Choice, Question
from llm_studio.tui.figures import ago
from llm_studio.tui.panes.chat.feed import ask
from llm_studio.tui.widgets.finder import FoundListing
from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.typing import Field

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

SHOWN = 200
PAUSE = 0.12
"""Seconds after a letter before it is searched for: a word is typed at once."""


class Conversations(ModalScreen[str]):
    """Answers with the id of the one that was chosen, or with nothing."""

    DEFAULT_CSS = """
    Conversations { align: center top; }
    Conversations > Vertical {
        width: 90; max-width: 96%; height: auto; max-height: 90%; margin-top: 2;
        background: $background; border: round $border; padding: 0 1;
    }
    Conversations Input { margin-bottom: 1; }
    Conversations Listing { height: auto; max-height: 20; }
    Conversations Static { color: $dim; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "back"),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
        Binding("f2,ctrl+r", "rename", "rename", priority=True),
        Binding("ctrl+d,f8", "delete", "delete", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._titles: dict[str, str] = {}

    @property
    def studio(self) -> StudioApp:
        return cast("StudioApp", self.app)

    def compose(self) -> ComposeResult:
        columns = (
            Column(""),
            Column("", flexible=True, least=20, fills=True),
            Column("", flexible=True, yields=1, least=10),
            Column("", right=True, yields=2),
        )
        with Vertical():
            yield Field(placeholder="Words of the conversation", select_on_focus=False)
            yield FoundListing(columns, titled=False)
            yield Static(Content("Enter opens · Ctrl+R renames · Ctrl+D deletes · Esc goes back"))

    def on_mount(self) -> None:
        self._search("", 0.0)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._search(event.value, PAUSE)

    def _search(self, words: str, pause: float) -> None:
        work = partial(self._show, words, pause)
        self.run_worker(work, group="search", exclusive=True)  # type: ignore[arg-type]

    async def _show(self, words: str, pause: float) -> None:
        await asyncio.sleep(pause)
        try:
            found = await ask(
                self.studio.wire, "GET", "/conversations", search=words or None, limit=SHOWN
            )
        except (StudioError, OSError) as error:
            self._fill([Row("", ((str(error), "warn"),))])
            return
        self._titles = {each["id"]: untrusted_line(each["title"]) for each in found}
        told = "Nothing was found." if words else "No conversation yet."
        self._fill([_row(each) for each in found] or [Row("", ((told, "dim"),))])

    def _fill(self, rows: list[Row]) -> None:
        listing = self.query_one(Listing)
        listing.show(rows)
        listing.styles.height = max(min(len(rows), 20), 1)

    def on_input_submitted(self) -> None:
        self.dismiss(self.query_one(Listing).key)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.dismiss(event.key)

    def action_move(self, step: int) -> None:
        self.query_one(Listing).action_move(step)

    def action_page(self, step: int) -> None:
        self.query_one(Listing).action_page(step)

    def action_rename(self) -> None:
        self.studio.do(self._rename())

    async def _rename(self) -> None:
        id_ = self.query_one(Listing).key
        if not id_:
            return
        answer = await self.app.push_screen_wait(Ask("Rename", "Its new title", self._titles[id_]))
        if answer.id:
            await ask(
                self.studio.wire, "PATCH", f"/conversations/{id_}", {"title": answer.id[:200]}
            )
            await self._show(self.query_one(Input).value, 0.0)

    def action_delete(self) -> None:
        self.studio.do(self._delete())

    async def _delete(self) -> None:
        id_ = self.query_one(Listing).key
        if not id_:
            return
        question = Question(
            f"Delete “{self._titles[id_]}”?",
            "It is deleted from the disk, for good.",
            (Choice("delete", "y", "Delete it", role="bad"), Choice(STAY, "n", "Keep it")),
        )
        if (await self.app.push_screen_wait(question)).id:
            await ask(self.studio.wire, "DELETE", f"/conversations/{id_}")
            await self._show(self.query_one(Input).value, 0.0)


def _row(told: dict[str, Any]) -> Row:
    sign = ("◐", "accent") if told["running"] else ("●", "good") if told["private"] else (" ", "")
    title = untrusted_line(told["title"])
    found = untrusted_line(told["found"]) or untrusted_line(told["profile"])
    return Row(
        told["id"],
        (sign, (title, ""), (found, "dim"), (ago(time.time() - told["changed"]), "dim")),  # type: ignore[arg-type]
    )
