"""The hub by name: words, then a repository, then a quantisation with its size."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line
from llm_studio.tui.figures import size
from llm_studio.tui.panes.models.rough_fit import Memory, guess
from llm_studio.tui.widgets.finder import FoundListing
from llm_studio.tui.widgets.listing import Column, Listing, Row
from llm_studio.tui.widgets.typing import Field

REPOSITORIES = (
    Column("REPOSITORY", flexible=True, least=20, fills=True),
    Column("DOWNLOADS", right=True),
)
OFFERS = (
    Column("QUANT", flexible=True, least=10, fills=True),
    Column("SIZE", right=True),
    Column("FITS"),
    Column("FILES", right=True, yields=1),
)


class HubScreen(ModalScreen[str]):
    """Answers with OWNER/NAME:QUANTISATION, or with nothing."""

    DEFAULT_CSS = """
    HubScreen { align: center top; }
    HubScreen > Vertical {
        width: 84; max-width: 96%; height: auto; max-height: 94%; margin-top: 1;
        background: $background; border: round $border; padding: 0 1;
    }
    HubScreen Static { padding: 0 1; }
    HubScreen #told { margin: 1 0; }
    HubScreen #machine { color: $dim; margin-top: 1; }
    HubScreen Listing { height: auto; max-height: 16; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
    ]

    def __init__(self, memory: Memory | None) -> None:
        super().__init__()
        self._memory = memory
        self._words = ""
        self._found: list[dict[str, Any]] = []
        self._repository = ""
        """The one that is looked into."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Field(placeholder="Search the hub: words, or OWNER/NAME", select_on_focus=False)
            yield Static(id="told")
            yield FoundListing(REPOSITORIES)
            yield Static(id="machine")

    def on_mount(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._say("Repositories with GGUF files. Enter searches.")
        self._show([], REPOSITORIES)

    # Keys

    def on_input_changed(self) -> None:
        if self._repository:  # other words mean another search
            self._repository = ""
            if self._found:
                self._show_repositories()
            else:
                self._begin()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        words = event.value.strip()
        if words and (words != self._words or not self.query_one(Listing).display):
            self._words = words
            if "/" in words and " " not in words:
                self._look_into(words.partition(":")[0])
            else:
                self._search(words)
        else:
            self._choose(self.query_one(Listing).key)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self._choose(event.key)

    def _choose(self, key: str) -> None:
        if key and self._repository:
            self.dismiss(f"{self._repository}:{key}")
        elif key:
            self._look_into(key)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss("")

    def action_back(self) -> None:
        """From a repository to those that were found; from there away."""
        self.workers.cancel_group(self, "hub")
        if self._repository and self._found:
            self._repository = ""
            self._show_repositories()
        else:
            self.dismiss("")

    def action_move(self, step: int) -> None:
        self.query_one(Listing).action_move(step)

    def action_page(self, step: int) -> None:
        self.query_one(Listing).action_page(step)

    # Asking

    @work(group="hub", exclusive=True, exit_on_error=False)
    async def _search(self, words: str) -> None:
        self._repository = ""
        self._show([], REPOSITORIES)
        self._say(f"Searching for {words} …")
        found = await self._ask("/hub/search", words=words)
        if found is not None:
            self._found = found
            self._show_repositories()

    @work(group="hub", exclusive=True, exit_on_error=False)
    async def _look_into(self, repository: str) -> None:
        self._show([], OFFERS)
        self._say(f"Asking what {repository} has …")
        found = await self._ask("/hub/offers", repository=repository)
        if found is not None:
            self._repository = found["repository"]
            self._show_offers(found["offers"])

    async def _ask(self, route: str, **query: str) -> Any:
        """The answer; None, with the reason on the screen, where there is none."""
        from llm_studio.tui.app import StudioApp

        try:
            return await cast(StudioApp, self.app).wire.ask("GET", route, within=60, **query)
        except StudioError as error:
            why = f" {error.why}" if error.why else ""
            hint = ("\n→ ", "$accent"), error.hint
            told = Content.assemble(("✗ ", "$error"), (error.what, "bold"), f".{why}")
            self._say(Content.assemble(told, *hint) if error.hint else told)
            self._words = ""  # Enter tries again
            return None

    # Showing

    def _show_repositories(self) -> None:
        rows = [
            Row(each["repository"], ((each["repository"], ""), (f"{each['downloads']:,}", "dim")))
            for each in self._found
        ]
        self._show(rows, REPOSITORIES)
        told = "The most fetched first. Enter shows what one has." if rows else ""
        self._say(told or f"The hub has no GGUF files for {self._words}.")

    def _show_offers(self, offers: list[dict[str, Any]]) -> None:
        models: dict[str, dict[str, Any]] = {}
        for each in offers:
            if not each["projector"] and not each["missing"]:
                models.setdefault(each["name"], each)  # the one that its name stands for
        rows = [
            Row(
                name,
                (
                    (name, ""),
                    (size(each["size"]), ""),
                    guess(each["size"], self._memory),
                    (str(each["files"]), "dim"),
                ),
            )
            for name, each in models.items()
        ]
        self._show(rows, OFFERS)
        name = Content.styled(untrusted_line(self._repository), "bold")
        told = "  Enter downloads one, Esc goes back." if rows else "  It has no GGUF files."
        self._say(Content.assemble(name, (told, "$dim")))

    def _show(self, rows: list[Row], columns: tuple[Column, ...]) -> None:
        listing = self.query_one(Listing)
        listing.show([], columns=columns)  # the cursor begins at the top
        listing.show(rows)
        listing.display = bool(rows)
        room = max(self.app.size.height - 10, 4)
        listing.styles.height = min(len(rows) + 1, room, 16)
        machine = self.query_one("#machine", Static)
        machine.display = columns is OFFERS and bool(rows) and self._memory is not None
        if self._memory is not None:
            machine.update(Content(f"What fits is a rough guess ({self._memory.told})."))

    def _say(self, told: str | Content) -> None:
        shown = Content.styled(untrusted_line(told), "$dim") if isinstance(told, str) else told
        self.query_one("#told", Static).update(shown)
