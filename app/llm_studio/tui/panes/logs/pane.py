"""The log, what it is narrowed to, and where in it one is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static
from textual.worker import Worker

from llm_studio.tui.actions import bindings_of
from llm_studio.tui.dialogs import Ask
from llm_studio.tui.figures import counted
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.logs import ACTIONS
from llm_studio.tui.panes.logs.explained import Explanation
from llm_studio.tui.panes.logs.feed import Feed
from llm_studio.tui.panes.logs.lines import (
    LEVELS,
    SOURCES,
    Filter,
    Found,
    Lines,
    finds,
    pattern_of,
)
from llm_studio.tui.panes.logs.saving import written
from llm_studio.tui.panes.logs.status import LogStatus, told_of
from llm_studio.tui.panes.logs.view import TIMES, LogView
from llm_studio.tui.view import View
from llm_studio.tui.widgets.typing import Field

WIDE = 110
"""Columns from which what a line means stands beside the log."""


class LogsPane(Pane):
    DEFAULT_CSS = """
    LogsPane Input { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    LogsPane #empty { display: none; padding: 1 3; color: $dim; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._lines = Lines()
        self._filter = Filter()
        self._hits: Found | None = None
        self._problem = ""
        self._asked = ""
        """What the input is for: "search" or "filter"."""
        self._born = 0.0
        self._worker: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        yield LogView(self._lines)
        yield Explanation()
        yield Static(id="empty")
        yield Field(select_on_focus=True)
        yield LogStatus()

    @property
    def log_view(self) -> LogView:
        return self.query_one(LogView)

    # While it is seen

    def wake(self) -> None:
        feed = Feed(self.studio.wire, self._lines, self._news)
        self._worker = self.run_worker(feed.run(), group="feed", exit_on_error=False)

    def rest(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def look(self, view: View) -> None:
        born = view.status.born if view.status else self._born
        if born != self._born:
            if self._born:  # another studio: its lines have the numbers of ours
                self.rest()
                self._lines.restart(1, [])
                self._news()
                self.wake()
            self._born = born
        if self.log_view.times == "ago":
            self.log_view.refresh()
        self._tell()

    def _news(self) -> None:
        for found in (self.log_view.found, self._hits):
            if found is not None:
                found.update(self._lines)
        self.log_view.renew()
        self._tell()

    def on_log_view_moved(self, event: LogView.Moved) -> None:
        self._tell()

    def _tell(self) -> None:
        """The status line, and a word instead of an empty screen."""
        view = self.log_view
        empty = self.query_one("#empty", Static)
        empty.display = not view.count
        if not view.count and view.has_focus:
            self.focus()
        view.display = bool(view.count)
        if view.count and self.has_focus:
            view.focus()
        if not view.count:
            narrowed = self._filter != Filter()
            told = "No line passes the filter; Esc clears it." if narrowed else "No line yet."
            empty.update(told)
        self._explain()
        self.query_one(LogStatus).show(told_of(view, self._filter, self._hits, self._problem))

    def _explain(self) -> None:
        """What the line under the cursor means."""
        explanation, cursor = self.query_one(Explanation), self.log_view.cursor
        if cursor is None or cursor not in self._lines:
            explanation.forget()
        else:
            explanation.explain(self._lines.age, cursor, self.studio.wire)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Explanation).set_class(event.size.width >= WIDE, "-beside")

    # Narrowing

    def _narrow(self, filter_: Filter) -> None:
        self._filter = filter_
        view = self.log_view
        view.found = Found(filter_.means) if filter_ != Filter() else None
        if view.found:
            view.found.update(self._lines)
        view.redraw()
        self._tell()

    def action_level(self) -> None:
        self._narrow(replace(self._filter, level=_next(LEVELS, self._filter.level)))

    def action_source(self) -> None:
        self._narrow(replace(self._filter, source=_next(SOURCES, self._filter.source)))

    def action_filter(self) -> None:
        self._ask("filter", self._filter.pattern.pattern if self._filter.pattern else "")

    def action_search(self) -> None:
        view = self.log_view
        self._ask("search", view.pattern.pattern if view.pattern else "")

    def _ask(self, what: str, value: str) -> None:
        field = self.query_one(Input)
        self._asked = ""
        field.placeholder = {
            "search": "Search (regular expression)",
            "filter": "Show only (regular expression)",
        }[what]
        field.value = value
        self._asked = what
        field.display = True
        self.turn_to(field)

    def on_input_changed(self, event: Input.Changed) -> None:
        pattern, self._problem = pattern_of(event.value)
        if self._asked == "filter":
            self._narrow(replace(self._filter, pattern=pattern))
        elif self._asked == "search":
            view = self.log_view
            view.pattern = pattern
            self._hits = Found(lambda line: finds(pattern, line)) if pattern else None
            if self._hits:
                self._hits.update(self._lines)
            view.redraw()

    def on_input_submitted(self) -> None:
        self._close_input()
        if self._asked == "search" and self._hits and self._hits.numbers:
            self.action_previous() if self.log_view.following else self.action_next()

    def _close_input(self) -> None:
        self.query_one(Input).display = False
        self.turn_to(self.log_view)

    # Going

    def action_follow(self) -> None:
        self.log_view.action_newest()

    def action_next(self) -> None:
        self._go(1)

    def action_previous(self) -> None:
        self._go(-1)

    def _go(self, step: int) -> None:
        """To the next match that is shown; from the last one around to the first."""
        hits, view = self._hits, self.log_view
        if hits is None or not hits.numbers:
            self.studio.tell("Nothing is searched for: / searches" if hits is None else "Not found")
            return
        shown = hits.numbers
        if view.found:
            passed = set(view.found.numbers)
            shown = [number for number in shown if number in passed]
        if not shown:
            self.studio.tell("The filter hides every match")
            return
        here = view.cursor if view.cursor is not None else self._lines.last + 1
        later = [number for number in shown if number > here]
        earlier = [number for number in shown if number < here]
        if step > 0:
            view.go_to(later[0] if later else shown[0])
        else:
            view.go_to(earlier[-1] if earlier else shown[-1])

    def action_error(self) -> None:
        view = self.log_view
        before = view.cursor if view.cursor is not None else self._lines.last + 1
        errors = Found(lambda line: line.level == "error")
        errors.update(self._lines)
        number = errors.before(before)
        if number is None:
            self.studio.tell("No error" if before > self._lines.last else "No error before this")
        else:
            if view.found and number not in view.found.numbers:
                self._narrow(Filter(level="error"))
            view.go_to(number)

    def action_load(self) -> None:
        self.studio.do(self._to_landmark("load"))

    def action_request(self) -> None:
        self.studio.do(self._to_landmark("request"))

    async def _to_landmark(self, what: str) -> None:
        """Where a load or a request begins; the studio knows the engine's words for it."""
        view = self.log_view
        found = await self.studio.wire.ask("GET", "/logs/landmark", what=what, before=view.cursor)
        number = found["seq"]
        if number is None:
            before = " before this" if view.cursor is not None else ""
            self.studio.tell(f"No {what}{before}")
        elif number not in self._lines:
            self.studio.tell(f"The {what} is at a line that is not read yet; try again")
        else:
            if view.found and number not in view.found.numbers:
                self._narrow(Filter())
            view.go_to(number)

    # Looks

    def action_wrap(self) -> None:
        self.log_view.wrap = not self.log_view.wrap
        self.log_view.redraw()

    def action_times(self) -> None:
        self.log_view.times = _next(TIMES, self.log_view.times)
        self.log_view.redraw()

    # Taking along

    def action_mark(self) -> None:
        view = self.log_view
        if view.cursor is None:
            view.action_move(-1)
        view.marked = None if view.marked is not None else view.cursor
        view.redraw()

    def action_copy(self) -> None:
        view = self.log_view
        numbers = view.selected
        if not numbers:
            self.studio.tell("Choose a line first, with the arrows; Space selects several")
            return
        self.app.copy_to_clipboard("\n".join(self._lines[number].text for number in numbers))
        view.marked = None
        view.redraw()
        self.studio.tell(f"{counted(len(numbers), 'line')} in the clipboard")

    def action_save(self) -> None:
        self.studio.do(self._save())

    async def _save(self) -> None:
        view = self.log_view
        name = time.strftime("~/llm-studio-%Y%m%d-%H%M%S.log")
        told = f"{counted(view.count, 'line')} go into this file. Enter writes it, Esc does not."
        answer = await self.app.push_screen_wait(Ask("Save the log", told, name))
        if not answer.id:
            return
        lines = [self._lines[view.number(index)] for index in range(view.count)]
        path = await asyncio.to_thread(written, answer.id, lines)
        self.studio.tell(f"Written to {path}")

    def action_back(self) -> None:
        """The nearest thing that can be taken back."""
        view, field = self.log_view, self.query_one(Input)
        self._problem = ""
        if field.has_focus and self._asked == "filter":
            self._narrow(replace(self._filter, pattern=None))
            self._close_input()
        elif view.marked is not None:
            view.marked = None
            view.redraw()
        elif field.has_focus or self._hits is not None:
            view.pattern = self._hits = None
            self._close_input()
            view.redraw()
        elif self._filter != Filter():
            self._narrow(Filter())
        elif not view.following:
            view.action_newest()


def _next(words: tuple[str, ...], now: str) -> str:
    return words[(words.index(now) + 1) % len(words)]
