"""What the keys do to the result or the run under the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.widgets import Input

from llm_studio.errors import NotReady
from llm_studio.tui.dialogs import STAY, Choice, Question
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.bench.comparing import comparison_sheet, quality_sheet
from llm_studio.tui.panes.bench.form import RunForm
from llm_studio.tui.panes.bench.record import Record, comparison
from llm_studio.tui.panes.bench.rows import JOB, ORDERS
from llm_studio.tui.panes.bench.scroll import Draw, Scroll
from llm_studio.tui.panes.bench.wanted import Wanted
from llm_studio.tui.view import Job
from llm_studio.tui.widgets.listing import Listing

UNFIT = ("template", "broken", "missing", "incomplete", "unusable")
"""States of profiles that cannot be served."""
Told = Mapping[str, Any]


class Acting(Pane):
    """The half of the pane that acts; the other half shows."""

    def __init__(self) -> None:
        super().__init__()
        self._record = Record()
        self._marked: list[str] = []
        self._order = "age"
        self._opened = ""
        """What is shown whole: a result, a run that goes on, or a sheet of several."""
        self._before: set[str] = set()
        """The results that there were when a run that goes on was opened."""
        self._jobs: list[Job] = []
        self._wanted: Wanted | None = None
        """What was chosen the last time."""

    def _show(self) -> None:
        """Show what there is."""
        raise NotImplementedError

    def _draw_of(self, key: str, *, short: bool) -> Draw:
        """The lines about a result, or a run that goes on."""
        raise NotImplementedError

    # What the cursor is on

    @property
    def key(self) -> str:
        """What is shown whole, else the row under the cursor."""
        return self._opened or self.query_one(Listing).key

    @property
    def run(self) -> Told | None:
        return self._record.summary(self.key)

    @property
    def job(self) -> Job | None:
        return next((job for job in self._jobs if JOB + job.id == self.key), None)

    def possible(self, action: str) -> bool:
        match action:
            case "open":
                return not self._opened and bool(self.key)
            case "stop_it":
                return self.job is not None
            case "mark" | "compare":
                return not self._opened and (self.run is not None or len(self._marked) == 2)
            case "filter" | "sort" | "quality":
                return not self._opened and bool(self._record.runs)
            case "new":
                return self.studio.view.live
            case "back":
                field = self.query_one("#filter", Input)
                return bool(self._opened or self._marked or field.value or field.display)
        return True

    # Showing whole

    def on_listing_chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.key and not self._opened:
            self.studio.do(self._open(self.key))

    async def _open(self, key: str) -> None:
        if key.startswith(JOB):
            self._before = {run["id"] for run in self._record.runs or ()}
        else:
            await self._record.whole(self.studio.wire, key)
        self._show_whole(key, self._draw_of(key, short=False))

    def _show_whole(self, about: str, draw: Draw) -> None:
        self._opened = about
        self._turn_to("whole")
        self.query_one("#whole", Scroll).show(about, draw)
        self.turn_to(self.query_one("#whole", Scroll))
        self.studio.refresh_bindings()

    def _turn_to(self, part: str) -> bool:
        """Show that part and no other; whether it was another. Not by a class, which takes effect
        after the focus has looked for a place."""
        changed = not self.query_one(f"#{part}").display
        for each in ("columns", "whole", "empty"):
            self.query_one(f"#{each}").display = each == part
        return changed

    def _close(self) -> None:
        self._opened = ""
        self._show()
        self.start_here()
        self.studio.refresh_bindings()

    def action_back(self) -> None:
        field = self.query_one("#filter", Input)
        if self._opened:
            self._close()
        elif field.value or field.display:
            field.value = ""
            field.display = False
            self.start_here()
            self._show()
        else:
            self._marked.clear()
            self._show()

    # Running

    def action_new(self) -> None:
        self.studio.do(self._new())

    async def _new(self) -> None:
        view = self.studio.view
        fit = [each.id for each in view.shown_profiles if each.state not in UNFIT]
        if not fit:
            raise NotReady(
                "There is no profile that could be measured",
                hint="Get a model first: 1 goes to Models; `llm-studio up demo` serves a script.",
            )
        offers = await self.studio.wire.ask("GET", "/bench/suites")
        if not await self.studio.push_screen_wait(RunForm(self._fresh(offers, fit))):
            return
        assert self._wanted is not None
        await self.studio.wishes.bench(self._wanted.offer["name"], self._wanted.body())

    def _fresh(self, offers: list[Told], fit: list[str]) -> Wanted:
        """As it was chosen before; the first time the profile that is served, else the one under
        the cursor."""
        before, status = self._wanted, self.studio.view.status
        wanted = self._wanted = Wanted(offers, fit)
        if before is not None:
            names, name = [each["name"] for each in offers], before.offer["name"]
            wanted.at = names.index(name) if name in names else 0
            wanted.values = before.values
            wanted.chosen = [each for each in before.chosen if each in fit]
        if not wanted.chosen:
            run = self.run
            near = [status.profile if status else None, run["profile"] if run else None]
            wanted.chosen = [each for each in near if each in fit][:1]
        return wanted

    def action_stop_it(self) -> None:
        if self.job is not None:
            self.studio.do(self._stop(self.job))

    async def _stop(self, job: Job) -> None:
        answer = await self.studio.push_screen_wait(
            Question(
                "Cancel this run?",
                f"{job.title}. What was measured so far is kept; then what was served before is "
                "served again.",
                (Choice("cancel", "y", "Cancel it"), Choice(STAY, "n", "Let it go on")),
            )
        )
        if answer.id:
            await self.studio.wishes.cancel(job)

    # Comparing

    def action_mark(self) -> None:
        run = self.run
        if run is None or self._opened:
            return
        if run["id"] in self._marked:
            self._marked.remove(run["id"])
        else:
            self._marked = [*self._marked[-1:], run["id"]]
        self._show()
        self.studio.refresh_bindings()

    def action_compare(self) -> None:
        if not self._opened:
            self.studio.do(self._compare())

    async def _compare(self) -> None:
        first, second = self._pair()
        wire, record = self.studio.wire, self._record
        found, changed = await comparison(wire, first, second)
        one, two = await record.whole(wire, first), await record.whole(wire, second)
        self._show_whole(
            f"{first} {second}", lambda width, _: comparison_sheet(one, two, found, changed, width)
        )

    def _pair(self) -> tuple[str, str]:
        """The ids of the two that are meant, the earlier wish first."""
        run = self.run
        if len(self._marked) == 2:
            return self._marked[0], self._marked[1]
        if run is not None and self._marked and self._marked[0] != run["id"]:
            return self._marked[0], run["id"]
        before = self._record.before(run) if run is not None else None
        if run is None or before is None:
            raise NotReady(
                "There is nothing to compare it with",
                why="No earlier run of this suite on this profile was found.",
                hint="Mark two results with Space, then press c.",
            )
        return before["id"], run["id"]

    def action_quality(self) -> None:
        runs = self._record.runs or []
        self._show_whole("quality", lambda width, height: quality_sheet(runs, width, height))

    # Finding

    def action_filter(self) -> None:
        if not self._opened:
            field = self.query_one("#filter", Input)
            field.display = True
            self.turn_to(field)

    def on_input_changed(self) -> None:
        self._show()

    def on_input_submitted(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)
        self.turn_to(self.query_one(Listing))

    def action_sort(self) -> None:
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        self._show()
        self.studio.tell(f"Sorted by {self._order}")
