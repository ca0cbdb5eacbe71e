"""Chooses what to run: suite, options and profiles in one list, with what it will take below."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from llm_studio.errors import UsageError
from llm_studio.tui.dialogs import Ask
from llm_studio.tui.panes.bench.record import estimates
from llm_studio.tui.panes.bench.wanted import Told, Wanted, outlook, takes
from llm_studio.tui.widgets.listing import Column, Listing, Row

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

SUITE, OPTION, PROFILE = "suite:", "option:", "profile:"
AROUND = 9
"""Lines of the screen that are not the list's."""


class RunForm(ModalScreen[bool]):
    """Answers whether it is to be started; `wanted` holds what was chosen."""

    DEFAULT_CSS = """
    RunForm { align: center middle; }
    RunForm > Vertical {
        width: 90; max-width: 96%; height: auto; max-height: 96%;
        background: $background; border: round $border; padding: 0 1;
    }
    RunForm Static { padding: 0 1; }
    RunForm .title { text-style: bold; margin-bottom: 1; }
    RunForm #outlook { margin-top: 1; height: 2; }
    RunForm #keys { color: $dim; }
    RunForm Listing { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("enter,space", "change", "change"),
        Binding("delete,backspace", "unset", "unset"),
        Binding("a", "everything", "all"),
        Binding("s", "start", "start"),
    ]

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self.wanted = wanted
        self._estimates: dict[str, Told] = {}

    @property
    def studio(self) -> StudioApp:
        return cast("StudioApp", self.app)

    def compose(self) -> ComposeResult:
        columns = (
            Column(""),
            Column("", flexible=True, least=14),
            Column("", flexible=True, yields=1, least=16, fills=True),
        )
        with Vertical():
            yield Static(Content("Run a benchmark"), classes="title")
            yield Listing(columns, titled=False)
            yield Static(id="outlook")
            yield Static(
                Content("Enter changes, Del resets, a takes all profiles, s starts, Esc drops"),
                id="keys",
            )

    def on_mount(self) -> None:
        self._show()
        self.query_one(Listing).focus()
        self._ask()

    @work(group="estimates", exclusive=True, exit_on_error=False)
    async def _ask(self) -> None:
        wanted = self.wanted
        self._estimates = await estimates(
            self.studio.wire, wanted.suite, quick=wanted.quick, limit=wanted.limit
        )
        self._show()

    def _show(self) -> None:
        wanted, listing = self.wanted, self.query_one(Listing)
        offer, count = wanted.offer, f"{wanted.at + 1} of {len(wanted.offers)}"
        suite = f"{offer['title']} ({count})"
        rows = [Row(SUITE, (("suite", ""), (suite, "strong"), (offer["summary"], "dim")))]
        for option in wanted.options:
            value = wanted.value(option["name"])
            rows.append(
                Row(
                    OPTION + option["name"],
                    ((option["name"], ""), (written(value), ""), (option["summary"], "dim")),
                )
            )
        rows.append(Row("", (("PROFILES", "dim"),)))
        rows += [self._profile(each) for each in wanted.profiles]
        listing.styles.height = min(len(rows), max(self.app.size.height - AROUND, 3))
        listing.show(rows)
        status = self.studio.view.status
        served = status.profile if status and status.up else None
        told = outlook(wanted, self._estimates, served)
        self.query_one("#outlook", Static).update(Content(told))

    def _profile(self, id_: str) -> Row:
        chosen = self.wanted.chosen
        at = chosen.index(id_) + 1 if id_ in chosen else 0
        order = f" {at}" if at and len(chosen) > 1 else ""
        sign = f"●{order}" if at else "○"
        told = takes(self._estimates.get(id_))
        return Row(PROFILE + id_, ((sign, "accent" if at else "dim"), (id_, ""), (told, "dim")))

    # Changing

    def on_listing_chosen(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        kind, _, name = self.query_one(Listing).key.partition(":")
        if f"{kind}:" == PROFILE:
            self.wanted.choose(name)
        elif f"{kind}:" == SUITE:
            self.wanted.next_suite()
            self._estimates = {}
        elif (option := self.wanted.option(name)) and not self.wanted.turn(option):
            self.studio.do(self._type(option))
            return
        self._changed(profiles=f"{kind}:" == PROFILE)

    async def _type(self, option: Told) -> None:
        name = option["name"]
        answer = await self.app.push_screen_wait(
            Ask(name, option["summary"], str(self.wanted.value(name) or ""))
        )
        if answer.id:
            self.wanted.set(name, read(answer.id, option))
            self._changed()

    def action_unset(self) -> None:
        kind, _, name = self.query_one(Listing).key.partition(":")
        if f"{kind}:" == OPTION:
            self.wanted.unset(name)
            self._changed()

    def _changed(self, *, profiles: bool = False) -> None:
        self._show()
        if not profiles:
            self._ask()

    def action_everything(self) -> None:
        self.wanted.choose_all()
        self._show()

    def action_start(self) -> None:
        if self.wanted.chosen:
            self.dismiss(True)
        else:
            self.studio.tell("Choose at least one profile: Enter on its row", "warning")

    def action_leave(self) -> None:
        self.dismiss(False)


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "—" if value in ("", 0) else str(value)


def read(text: str, option: Told) -> Any:
    """What was typed."""
    if option["form"] == "file":  # the studio's folder is another than the terminal's
        return os.path.abspath(os.path.expanduser(text))
    if option["form"] != "number":
        return text
    least, most = option["least"], option["most"]
    try:
        number = int(text)
        if (least is None or number >= least) and (most is None or number <= most):
            return number
    except ValueError:
        pass
    limits = f"from {least or 0:,}" + (f" to {most:,}" if most is not None else "")
    raise UsageError(f"{text} is no number {limits}", hint=f"{option['name']}: {option['summary']}")
