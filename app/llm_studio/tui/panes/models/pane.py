"""The table, the sheet beside it (below it on narrow screens), and what the keys do."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Input

from llm_studio.errors import StudioError
from llm_studio.tui.actions import bindings_of, every_action, keys_of
from llm_studio.tui.panes.models import ACTIONS, past
from llm_studio.tui.panes.models.acting import Acting
from llm_studio.tui.panes.models.close_look import CloseLook
from llm_studio.tui.panes.models.downloads import (
    DOWNLOAD,
    about,
    came_as,
    downloads_of,
    left_off,
)
from llm_studio.tui.panes.models.first_steps import FirstSteps, ways_to_begin
from llm_studio.tui.panes.models.rough_fit import Memory
from llm_studio.tui.panes.models.table import COLUMNS, FILE, ORDERS, Used, columns_for, rows_of
from llm_studio.tui.view import Job, Profile, View
from llm_studio.tui.widgets.finder import Finder, Item
from llm_studio.tui.widgets.listing import Listing
from llm_studio.tui.widgets.typing import Field

WIDE, VAST = 110, 180
"""Columns from which the sheet stands beside the table, and from which the table gets more."""
AGAIN = 30
"""Seconds after which requests are looked at again."""


class ModelsPane(Acting):
    DEFAULT_CSS = """
    ModelsPane #columns { height: 1fr; layout: vertical; }
    ModelsPane #table { height: 50%; min-height: 6; }
    ModelsPane CloseLook { height: 1fr; border-top: solid $border; padding: 0 1; }
    ModelsPane #filter {
        height: 1; border: none; padding: 0 1; background: $panel; display: none;
    }
    ModelsPane.-wide #columns { layout: horizontal; }
    ModelsPane.-wide #table { width: 56%; height: 1fr; }
    ModelsPane.-vast #table { width: 63%; }
    ModelsPane.-wide CloseLook {
        width: 1fr; height: 1fr; border-top: none; border-left: solid $border; padding: 0 2;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._order = "state"
        self._profiles: tuple[Profile, ...] | None = None
        self._seen: object = None
        self._recorded_for: object = None
        self._used: Used = {}
        self._coming: list[Job] = []
        """Downloads that were under way at the last look."""

    def compose(self) -> ComposeResult:
        self._suit(self.app.size.width)  # before there are parts, which would all be styled anew
        yield Field(placeholder="Filter: words, or #tag", id="filter", select_on_focus=False)
        with Container(id="columns"):
            with Vertical(id="table"):
                yield Listing(COLUMNS)
            yield CloseLook()
        yield FirstSteps()

    # News

    def look(self, view: View) -> None:
        self._hold_ended(view)
        self._keep_record(view)
        memory = Memory.of(view.sample) if self.first_time else None
        seen = (view.link, view.status, view.profiles, view.files, view.jobs, memory)
        if seen == self._seen:
            return
        self._seen = seen
        if view.profiles is not self._profiles:
            self._profiles = view.profiles
            self.query_one(CloseLook).grow_old()
            self._look_closely()
        self._show_rows()
        self._serve_what_was_asked()
        if self.download is not None:
            self._look_closely()

    def _hold_ended(self, view: View) -> None:
        """A download that ended keeps its row, and the cursor, until it is known how it ended."""
        running = {job.id for job in view.jobs}
        ended = [job for job in self._coming if job.id not in running]
        self._left = (*self._left, *ended)
        self._coming = [job for job in view.jobs if job.kind == "download"]

    def _keep_record(self, view: View) -> None:
        """What became of loads, requests and downloads is read when something begins or ends, and
        now and then while something is served."""
        engines = view.status.all if view.status else ()
        told = (
            view.link,
            [job.id for job in view.jobs],
            [(each.state, each.profile) for each in engines if not each.busy],
            time.monotonic() // AGAIN if any(each.up for each in engines) else 0,
        )
        if view.live and told != self._recorded_for:
            self._recorded_for = told
            self._read_record()

    @work(group="record", exclusive=True, exit_on_error=False)
    async def _read_record(self) -> None:
        """It is an addition: where it cannot be read, the rest goes on."""
        wire = self.studio.wire
        jobs: tuple[Job, ...] = ()
        with suppress(StudioError, KeyError, TypeError):
            jobs = tuple(map(Job.of, await wire.ask("GET", "/jobs")))
            if any(job.state == "running" for job in self._left):  # what came is there with it
                await self.studio.link.read_profiles()
        self._left = left_off(jobs, time.time())
        self._show_rows()
        self._look_closely()
        self.studio.refresh_bindings()
        with suppress(StudioError, KeyError, TypeError):
            found = await past.read(wire)
            self._used = found.used
            self._show_rows()
            self.query_one(CloseLook).remember(found)

    def _show_rows(self) -> None:
        view = self.studio.view
        rows = rows_of(
            view,
            wanted=self.query_one("#filter", Input).value,
            order=self._order,
            downloads=downloads_of(view, self._left),
            used=self._used,
        )
        columns = columns_for(self._order)
        changed = columns != self.rows.columns
        before = self.rows.key
        self.rows.show(rows, columns=columns if changed else None)
        if before.startswith(DOWNLOAD) and before not in self.rows.keys:  # it came whole
            self.rows.go_to(FILE + came_as(before.removeprefix(DOWNLOAD), view.files))
        empty = self.first_time or not any(row.key for row in rows)
        if empty:
            self._tell_why_empty(view)
        steps = self.query_one(FirstSteps)
        if empty != steps.display:  # not by a class, which would style all that is inside anew
            steps.display, self.query_one("#columns").display = empty, not empty
            self.studio.refresh_bindings()
            # What is read late comes when another pane has the focus by now.
            here = self.display and self.screen.is_current
            if here and not self.query_one("#filter").has_focus:
                self.start_here()

    def _tell_why_empty(self, view: View) -> None:
        steps = self.query_one(FirstSteps)
        if view.profiles is None:
            told = "Reading profiles and model files" if view.live else view.trouble
            steps.say(Content.styled(f"{told or 'Connecting to the studio'} …", "$dim"))
        elif self.query_one("#filter", Input).value:
            told = "Nothing matches the filter.  "
            steps.say(Content.assemble(told, ("Esc", "$accent"), " clears it."))
        else:
            actions, remapped = every_action(), self.studio.remapped
            folders = self.studio.settings.models
            steps.offer(
                ways_to_begin(view, actions, remapped),
                str(folders[0]) if folders else "",
                *(keys_of(actions[f"models.{name}"], remapped) for name in ("hub", "back")),
            )
            if self.has_focus:
                self.start_here()

    # Beside the table

    def on_listing_highlighted(self, event: Listing.Highlighted) -> None:
        self._look_closely()
        self.studio.refresh_bindings()

    def _look_closely(self) -> None:
        look, profile, download = self.query_one(CloseLook), self.profile, self.download
        if download is not None:
            look.say(about(download, profile, look.size.width - 6))
        elif profile is None:
            look.say(self._about_file())
        else:
            look.look_at(profile, self._trial, self.studio.wire)

    def _about_file(self) -> Content:
        file = next((f for f in self.studio.view.files if f.name == self.file), None)
        if file is None:
            return Content("")
        return Content.assemble(
            (f"{file.name}\n", "bold"),
            (f"{file.path or 'in ' + file.place}\n\n", "$dim"),
            "No profile names this model file.  ",
            ("n", "$accent"),
            " makes one from what the file says about itself.",
        )

    def on_resize(self, event: events.Resize) -> None:
        self._suit(event.size.width)
        self.call_after_refresh(self._look_closely)

    def _suit(self, width: int) -> None:
        self.set_class(width >= WIDE, "-wide")
        self.set_class(width >= VAST, "-vast")

    # Finding

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        self.turn_to(field)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show_rows()

    def on_input_submitted(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)
        self.turn_to(self.rows)

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
        self._show_rows()
        self.studio.tell(f"Sorted by {self._order}")
