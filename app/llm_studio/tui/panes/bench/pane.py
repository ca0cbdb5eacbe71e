"""The Bench pane: the results, what is measured now, and one of them from close by."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker

from llm_studio.errors import StudioError
from llm_studio.tui.actions import bindings_of, every_action, keys_of
from llm_studio.tui.panes.bench import ACTIONS
from llm_studio.tui.panes.bench.acting import Acting
from llm_studio.tui.panes.bench.rows import COLUMNS, JOB, bench_jobs, rows_of
from llm_studio.tui.panes.bench.scroll import Draw, Scroll
from llm_studio.tui.panes.bench.sheet import brief_sheet, partial_sheet, run_sheet
from llm_studio.tui.view import View
from llm_studio.tui.widgets.listing import Listing
from llm_studio.tui.widgets.typing import Field

WIDE = 110
"""Columns from which the close look stands beside the results."""
PAUSE = 1.0
"""Seconds between two looks at what goes on."""
REST = 0.06
"""Seconds that the cursor must rest before a result is read."""


class BenchPane(Acting):
    DEFAULT_CSS = """
    BenchPane #columns { height: 1fr; layout: vertical; }
    BenchPane Listing { height: 50%; min-height: 5; }
    BenchPane #look { height: 1fr; border-top: solid $border; }
    BenchPane #filter {
        height: 1; border: none; padding: 0 1; background: $panel; display: none;
    }
    BenchPane.-wide #columns { layout: horizontal; }
    BenchPane.-wide Listing { width: 60%; height: 1fr; }
    BenchPane.-wide #look {
        width: 1fr; height: 1fr; border-top: none; border-left: solid $border; padding: 0 1 0 2;
    }
    BenchPane #whole { display: none; }
    BenchPane #empty { padding: 1 3; height: 1fr; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._seen: object = None
        self._trouble = ""
        self._stale = True
        """Whether the results are to be read again, or"""
        self._reading = False
        """are being read."""
        self._news = asyncio.Event()
        self._worker: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        yield Field(placeholder="Filter: profile, suite, build", id="filter", select_on_focus=False)
        with Container(id="columns"):
            yield Listing(COLUMNS)
            yield Scroll("look")
        yield Scroll("whole")
        yield Static(id="empty")

    # While it is seen

    def wake(self) -> None:
        self._stale = True
        self._worker = self.run_worker(self._follow(), group="bench", exit_on_error=False)

    def rest(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def look(self, view: View) -> None:
        jobs = bench_jobs(view.jobs)
        seen = (view.link, view.status and view.status.born, jobs)
        if seen == self._seen:
            return
        self._seen = seen
        if [job.id for job in jobs] != [job.id for job in self._jobs] or not view.live:
            self._stale = True
        self._jobs = jobs
        self._news.set()
        self._show()

    async def _follow(self) -> None:
        """Reads when something happened, and no more often than one can see."""
        while True:
            self._news.clear()
            try:
                await self._read()
                self._trouble = ""
            except StudioError as error:  # what is shown stays
                self._stale, self._trouble = True, error.sentence
            self._show()
            await asyncio.sleep(PAUSE)
            await self._news.wait()

    async def _read(self) -> None:
        wire, record = self.studio.wire, self._record
        if self._stale:
            self._stale, self._reading = False, True
            try:
                await record.read(wire)
            finally:
                self._reading = False
            self._show()
            await record.read_changes(wire)
        if self._jobs or record.running:
            before = [each["started"] for each in record.running.values()]
            await record.read_running(wire)
            if before and before != [each["started"] for each in record.running.values()]:
                await record.read(wire)  # one of several profiles is done

    # Showing

    def _show(self) -> None:
        if not self.is_mounted:
            return
        wanted = self.query_one("#filter", Input).value
        rows = rows_of(self._record, self._jobs, self._marked, wanted=wanted, order=self._order)
        self.query_one(Listing).show(rows)
        part = "whole" if self._opened else "columns" if rows else "empty"
        if part == "empty":
            self.query_one("#empty", Static).update(self._why_empty(wanted))
        if self._turn_to(part) and part != "whole":
            # What is read late comes when another pane has the focus by now.
            here = self.display and self.screen.is_current
            if here and not self.query_one("#filter").has_focus:
                self.start_here()
        self._follow_opened()
        self._look_closely()
        self.studio.refresh_bindings()

    def _why_empty(self, wanted: str) -> Content:
        if self._record.runs is None:
            told = self._trouble or self.studio.view.trouble or "Reading results"
            return Content.styled(f"{told} …", "$dim")
        if wanted:
            return Content.assemble(
                "Nothing matches the filter.  ", ("Esc", "$accent"), " clears it."
            )
        action = every_action()["bench.new"]
        return Content.assemble(
            ("Nothing was measured yet.\n\n", "bold"),
            (f"  {keys_of(action, self.studio.remapped)}", "$accent"),
            "  runs a benchmark: how fast profiles are, and how good.\n\n"
            "What it will take is told before, where such a run was done already. A run goes on "
            "without this terminal; results are kept, and can be compared with each other.\n\n",
            ("In a shell: llm-studio bench speed --quick", "$dim"),
        )

    def _follow_opened(self) -> None:
        """A run that is shown whole and goes on is drawn anew; one that ended gives way to its
        result."""
        if not self._opened.startswith(JOB):
            return
        if self.job is not None:
            draw = self._draw_of(self._opened, short=False)
            self.query_one("#whole", Scroll).show(self._opened, draw)
        elif not self._stale and not self._reading:
            self._open_result()

    def _open_result(self) -> None:
        """Of the run that was shown and has ended."""
        new = [run["id"] for run in self._record.runs or () if run["id"] not in self._before]
        result = new[-1] if new else ""
        self._close()
        if result:
            self.query_one(Listing).go_to(result)
            self.studio.do(self._open(result))

    def on_listing_highlighted(self) -> None:
        self._look_closely()
        self.studio.refresh_bindings()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "-wide")

    def _look_closely(self) -> None:
        key = self.query_one(Listing).key
        self.query_one("#look", Scroll).show(key, self._draw_of(key, short=True))
        if self._record.summary(key) and self._record.known(key) is None:
            self._read_whole(key)

    @work(group="whole", exclusive=True, exit_on_error=False)
    async def _read_whole(self, id_: str) -> None:
        await asyncio.sleep(REST)
        try:
            await self._record.whole(self.studio.wire, id_)
        except StudioError:
            return  # Enter says what is wrong
        self._look_closely()

    def _draw_of(self, key: str, *, short: bool) -> Draw:
        record = self._record
        if key.startswith(JOB):
            id_ = key.removeprefix(JOB)
            partial = record.running.get(id_)
            job = next((each for each in self._jobs if each.id == id_), None)
            far = f"{job.fraction:.0%}  " if job and job.fraction is not None else ""
            told = far + (job.message or job.title) if job else ""
            return lambda width, _: partial_sheet(partial, told, width, measures=record.measures)
        run, summary, change = record.known(key), record.summary(key), record.changes.get(key)
        if run is not None:
            return lambda width, height: run_sheet(
                run, width, height, measures=record.measures, change=change, short=short
            )
        return lambda width, _: brief_sheet(summary) if summary else []
