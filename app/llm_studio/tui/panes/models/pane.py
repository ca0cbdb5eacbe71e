"""The table, the sheet beside it (below it on narrow screens), and what the keys do."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from llm_studio.errors import StudioError
from llm_studio.tui.actions import bindings_of
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.models import ACTIONS, changes
from llm_studio.tui.panes.models.sheet import command_text, heading, sheet
from llm_studio.tui.panes.models.table import COLUMNS, FILE, ORDERS, rows_of
from llm_studio.tui.panes.models.trial import NOTHING, Trial, coarser, finer, less, more
from llm_studio.tui.view import Detail, Profile, View
from llm_studio.tui.widgets.finder import Finder, Item
from llm_studio.tui.widgets.listing import Listing

WIDE = 110
"""Columns from which the sheet stands beside the table."""
PAUSE = 0.06
"""Seconds that the cursor must rest before a profile is looked at closely."""


class ModelsPane(Pane):
    DEFAULT_CSS = """
    ModelsPane #columns { height: 1fr; layout: vertical; }
    ModelsPane #table { height: 50%; min-height: 6; }
    ModelsPane #sheet {
        height: 1fr; border-top: solid $border; padding: 0 1; scrollbar-gutter: stable;
    }
    ModelsPane #sheet Static { width: 1fr; height: auto; }
    ModelsPane #filter {
        height: 1; border: none; padding: 0 1; background: $panel; display: none;
    }
    ModelsPane.-wide #columns { layout: horizontal; }
    ModelsPane.-wide #table { width: 56%; height: 1fr; }
    ModelsPane.-wide #sheet {
        width: 1fr; height: 1fr; border-top: none; border-left: solid $border; padding: 0 2;
    }
    ModelsPane #empty { padding: 1 3; height: 1fr; display: none; }
    ModelsPane.-empty #empty { display: block; }
    ModelsPane.-first #empty { display: block; height: auto; padding: 0 3 1 3; }
    ModelsPane.-empty #columns { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._order = "state"
        self._details: dict[tuple[str, Trial], Detail] = {}
        self._fresh: set[tuple[str, Trial]] = set()
        """Those of the details that were asked for since the profiles were read."""
        self._trials: dict[str, Trial] = {}
        self._profiles: tuple[Profile, ...] | None = None
        self._shown: tuple[str, Content] | None = None
        self._seen: object = None

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Filter: words, or #tag", id="filter", select_on_focus=False)
        with Container(id="columns"):
            with Vertical(id="table"):
                yield Listing(COLUMNS)
            with VerticalScroll(id="sheet"):
                yield Static(id="text")
        yield Static(id="empty")

    # News

    def look(self, view: View) -> None:
        seen = (view.link, view.status, view.profiles, view.files)
        if seen == self._seen:
            return
        self._seen = seen
        if view.profiles is not self._profiles:
            self._profiles = view.profiles
            self._fresh.clear()
            self._look_closely()
        self._show_rows(view)

    def _show_rows(self, view: View) -> None:
        listing = self.query_one(Listing)
        rows = rows_of(view, wanted=self.query_one("#filter", Input).value, order=self._order)
        titles = {"name": "PROFILE", "size": "SIZE", "context": "CTX", "speed": "TOK/S"}
        title = titles.get(self._order)
        columns = [
            type(c)(f"{c.title} ▾", c.right, c.flexible, c.yields, c.least)
            if c.title == title
            else c
            for c in COLUMNS
        ]
        listing.show(rows, columns=columns if columns != list(listing.columns) else None)
        nothing = not any(row.key for row in rows)
        here = view.files or any(
            p.state not in ("missing", "template") for p in view.profiles or ()
        )
        first = not nothing and not here and not self.query_one("#filter", Input).value
        if nothing or first:
            self.query_one("#empty", Static).update(self._why_empty(view))
        self.set_class(first, "-first")
        if nothing != self.has_class("-empty"):
            self.set_class(nothing, "-empty")
            if not self.query_one("#filter").has_focus and self.screen.is_current:
                self.start_here()

    def _why_empty(self, view: View) -> Content:
        if view.profiles is None:
            told = "Reading profiles and model files" if view.live else view.trouble
            return Content.styled(f"{told or 'Connecting to the studio'} …", "$dim")
        if self.query_one("#filter", Input).value:
            return Content.assemble(
                "Nothing matches the filter.  ", ("Esc", "$accent"), " clears it."
            )
        return first_steps(
            str(self.studio.settings.models[0]) if self.studio.settings.models else ""
        )

    # The sheet

    def on_listing_highlighted(self, event: Listing.Highlighted) -> None:
        self._look_closely()
        self.studio.refresh_bindings()

    @work(group="detail", exclusive=True, exit_on_error=False)
    async def _look_closely(self) -> None:
        """Show what is known at once, then ask for the rest."""
        id_ = self.id_
        if not id_:
            self._show_text("", self._about_file())
            return
        trial = self._trials.get(id_, NOTHING)
        known = self._details.get((id_, trial))
        if known is not None:
            self._show_detail(known, trial)
        elif self._shown is None or self._shown[0] != id_:
            profile = next((p for p in self._profiles or () if p.id == id_), None)
            if profile:
                self._show_text(id_, Content("\n").join(heading(profile, roomy=self.roomy)))
        if known is None or (id_, trial) not in self._fresh:
            await asyncio.sleep(PAUSE)
            await self._ask(id_, trial)

    async def _ask(self, id_: str, trial: Trial) -> None:
        try:
            data = await self.studio.wire.ask(
                "GET", f"/profiles/{id_}", context=trial.context, cache_type=trial.cache
            )
        except StudioError as error:
            if (id_, trial) not in self._details:
                self._show_text(id_, Content.assemble(("✗ ", "$error"), error.sentence))
            return
        detail = self._details[id_, trial] = Detail.of(data)
        self._fresh.add((id_, trial))
        self._show_detail(detail, trial)

    def _show_detail(self, detail: Detail, trial: Trial) -> None:
        width = self.query_one("#text").size.width or 60
        text = sheet(detail, width, trial, roomy=self.roomy)
        self._show_text(detail.summary.id, text)

    def _show_text(self, id_: str, text: Content) -> None:
        if self._shown is None or self._shown[0] != id_:
            self.query_one("#sheet", VerticalScroll).scroll_home(animate=False)
        elif self._shown[1].is_same(text):
            return
        self._shown = (id_, text)
        self.query_one("#text", Static).update(text)

    def _about_file(self) -> Content:
        file = next((f for f in self.studio.view.files if f.name == self.file), None)
        if file is None:
            return Content("")
        return Content.assemble(
            (f"{file.name}\n", "bold"),
            (f"in {file.place}\n\n", "$dim"),
            "No profile names this model file.  ",
            ("n", "$accent"),
            " makes one from what the file says about itself.",
        )

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "-wide")
        self.call_after_refresh(self._look_closely)

    @property
    def roomy(self) -> bool:
        return self.query_one("#sheet").size.height >= 16

    # What the cursor is on

    @property
    def id_(self) -> str:
        """The profile under the cursor, if it is on one."""
        key = self.query_one(Listing).key
        return "" if key.startswith(FILE) else key

    @property
    def file(self) -> str:
        """The model file under the cursor, if it is on one."""
        key = self.query_one(Listing).key
        return key.removeprefix(FILE) if key.startswith(FILE) else ""

    @property
    def profile(self) -> Profile | None:
        return next((p for p in self.studio.view.shown_profiles if p.id == self.id_), None)

    # Serving

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        profile, serving = self.profile, self.studio.view.status
        match action:
            case "load":
                return bool(profile or self.file)
            case "stop_it":
                return bool(
                    serving and profile and any(s.profile == profile.id for s in serving.all)
                )
            case "beside":
                return bool(serving and serving.up and profile)
            case "edit" | "duplicate" | "delete" | "copy":
                return profile is not None
            case "new":
                return bool(self.studio.view.files)
            case "back":
                field = self.query_one("#filter", Input)
                loading = self.studio.view.job("switch") is not None
                return loading or field.display or self.id_ in self._trials
        return True

    def action_load(self) -> None:
        if self.file:
            self.action_new()
        elif self.id_:
            self.studio.do(self.studio.wishes.load(self.id_))

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.action_load()

    def action_beside(self) -> None:
        self.studio.do(self.studio.wishes.load(self.id_, beside=True))

    def action_stop_it(self) -> None:
        self.studio.do(self.studio.wishes.stop(self.id_))

    def action_back(self) -> None:
        """The nearest thing that can be taken back."""
        field = self.query_one("#filter", Input)
        if field.has_focus or field.value:
            field.value = ""
            field.display = False
            self.query_one(Listing).focus()
        elif self._trials.pop(self.id_, None):
            self._look_closely()
        elif self.studio.view.job("switch"):
            self.studio.do(self.studio.wishes.cancel())
        self.studio.refresh_bindings()

    # Finding

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show_rows(self.studio.view)

    def on_input_submitted(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)
        self.query_one(Listing).focus()

    def action_tags(self) -> None:
        counts: dict[str, int] = {}
        for profile in self._profiles or ():
            for tag in profile.tags:
                counts[tag] = counts.get(tag, 0) + 1
        items = [Item(tag, f"#{tag}", f"{count}") for tag, count in sorted(counts.items())]
        self.app.push_screen(Finder(items, hint="Which tag?"), self._show_tag)

    def _show_tag(self, tag: str | None) -> None:
        if tag:
            field = self.query_one("#filter", Input)
            field.value = f"#{tag}"
            field.display = True

    def action_sort(self) -> None:
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        self._show_rows(self.studio.view)
        self.studio.tell(f"Sorted by {self._order}")

    # What if

    def _try(self, step: str) -> None:
        detail = self._details.get((self.id_, self._trials.get(self.id_, NOTHING)))
        if detail is None or not detail.devices:
            return
        trial = self._trials.get(self.id_, NOTHING)
        steps = {"more": more, "less": less, "finer": finer, "coarser": coarser}
        self._trials[self.id_] = steps[step](trial, detail)
        self._look_closely()
        self.studio.refresh_bindings()

    def action_more(self) -> None:
        self._try("more")

    def action_less(self) -> None:
        self._try("less")

    def action_finer(self) -> None:
        self._try("finer")

    def action_coarser(self) -> None:
        self._try("coarser")

    def action_write(self) -> None:
        trial = self._trials.get(self.id_, NOTHING)
        if trial == NOTHING:
            self.studio.tell("Nothing is tried out: + and - change the context, [ and ] the cache")
        else:
            self.studio.do(self._write(self.id_, trial))

    async def _write(self, id_: str, trial: Trial) -> None:
        await self.studio.wire.ask("PATCH", f"/profiles/{id_}", trial.changes)
        self._trials.pop(id_, None)
        self.studio.link.refresh()
        served = self.studio.view.status and self.studio.view.status.profile == id_
        self.studio.tell(f"{id_} is written" + ("; load it again to use it" if served else ""))

    # Changing

    def action_new(self) -> None:
        self.studio.do(changes.new(self.studio, self.file, self._go_to))

    def action_edit(self) -> None:
        self.studio.do(changes.edit(self.studio, self.id_))

    def action_duplicate(self) -> None:
        self.studio.do(changes.duplicate(self.studio, self.id_, self._go_to))

    def action_delete(self) -> None:
        profile = self.profile
        if profile is not None:
            self.studio.do(changes.delete(self.studio, profile))

    def _go_to(self, id_: str) -> None:
        self.query_one(Listing).go_to(id_)

    def action_copy(self) -> None:
        detail = self._details.get((self.id_, self._trials.get(self.id_, NOTHING)))
        if detail and detail.command:
            self.app.copy_to_clipboard(command_text(detail))
            self.studio.tell("The command is in the clipboard")


def first_steps(folder: str) -> Content:
    """What to do when there is nothing yet."""
    return Content.assemble(
        ("Nothing can be served yet.\n\n", "bold"),
        "Put GGUF model files into ", (folder or "a models folder", "$accent"), ",\n",
        "or name the folder where yours are:\n\n",
        ("    llm-studio config models /data/models\n\n", "$accent"),
        "Then ", ("Ctrl+R", "$accent"), " finds them. Files in the caches of Hugging Face, ",
        "llama.cpp, LM Studio and Ollama are found by themselves.",
    )  # fmt: skip
