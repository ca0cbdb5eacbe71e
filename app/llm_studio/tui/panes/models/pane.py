"""The table, the sheet beside it (below it on narrow screens), and what the keys do."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from llm_studio.tui.actions import bindings_of
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.models import ACTIONS, changes
from llm_studio.tui.panes.models.close_look import CloseLook
from llm_studio.tui.panes.models.first_steps import first_steps
from llm_studio.tui.panes.models.sheet import command_text
from llm_studio.tui.panes.models.table import COLUMNS, FILE, ORDERS, rows_of
from llm_studio.tui.panes.models.trial import NOTHING, Trial, coarser, finer, less, more
from llm_studio.tui.view import Profile, View
from llm_studio.tui.widgets.finder import Finder, Item
from llm_studio.tui.widgets.listing import Listing

WIDE = 110
"""Columns from which the sheet stands beside the table."""


class ModelsPane(Pane):
    DEFAULT_CSS = """
    ModelsPane #columns { height: 1fr; layout: vertical; }
    ModelsPane #table { height: 50%; min-height: 6; }
    ModelsPane CloseLook { height: 1fr; border-top: solid $border; padding: 0 1; }
    ModelsPane #filter {
        height: 1; border: none; padding: 0 1; background: $panel; display: none;
    }
    ModelsPane.-wide #columns { layout: horizontal; }
    ModelsPane.-wide #table { width: 56%; height: 1fr; }
    ModelsPane.-wide CloseLook {
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
        self._trials: dict[str, Trial] = {}
        self._profiles: tuple[Profile, ...] | None = None
        self._seen: object = None

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Filter: words, or #tag", id="filter", select_on_focus=False)
        with Container(id="columns"):
            with Vertical(id="table"):
                yield Listing(COLUMNS)
            yield CloseLook()
        yield Static(id="empty")

    # News

    def look(self, view: View) -> None:
        seen = (view.link, view.status, view.profiles, view.files)
        if seen == self._seen:
            return
        self._seen = seen
        if view.profiles is not self._profiles:
            self._profiles = view.profiles
            self.query_one(CloseLook).grow_old()
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
            p.state not in ("missing", "template") and p.id != "demo" for p in view.profiles or ()
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

    # Beside the table

    def on_listing_highlighted(self, event: Listing.Highlighted) -> None:
        self._look_closely()
        self.studio.refresh_bindings()

    def _look_closely(self) -> None:
        look, profile = self.query_one(CloseLook), self.profile
        if profile is None:
            look.say(self._about_file())
        else:
            look.look_at(profile, self._trial, self.studio.wire)

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

    @property
    def _trial(self) -> Trial:
        """What is tried out on it."""
        return self._trials.get(self.id_, NOTHING)

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
        detail = self.query_one(CloseLook).detail(self.id_, self._trial)
        if detail is None or not detail.devices:
            return
        steps = {"more": more, "less": less, "finer": finer, "coarser": coarser}
        self._trials[self.id_] = steps[step](self._trial, detail)
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
        trial = self._trial
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
        detail = self.query_one(CloseLook).detail(self.id_, self._trial)
        if detail and detail.command:
            self.app.copy_to_clipboard(command_text(detail))
            self.studio.tell("The command is in the clipboard")
