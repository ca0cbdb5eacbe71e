"""The Monitor pane: reads the past once, then adds each second; works only while it is seen."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.worker import Worker

from llm_studio.errors import StudioError
from llm_studio.tui.actions import bindings_of
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.monitor import ACTIONS
from llm_studio.tui.panes.monitor.board import Board, Shown, now
from llm_studio.tui.panes.monitor.curves import WINDOWS
from llm_studio.tui.panes.monitor.panels import names_of, panels_for
from llm_studio.tui.view import View

REQUESTS = 20
ASK = 2.0
"""Seconds between questions for new requests."""
STEP = 0.02
"""How far one press moves through the window."""


class MonitorPane(Pane):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._shown = Shown()
        self._requests: deque[Mapping[str, Any]] = deque(maxlen=REQUESTS)
        self._worker: Worker[None] | None = None
        self._reread = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Board()

    # While it is seen

    def wake(self) -> None:
        self._reread.set()
        self._worker = self.run_worker(self._follow(), group="monitor", exit_on_error=False)

    def rest(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def look(self, view: View) -> None:
        if view.mark is not None:
            self._shown.curves.happened(view.mark)
        if view.sample is None or not view.live:
            return
        self._shown.sample = view.sample
        if not self._shown.held:
            self._shown.curves.add(view.sample, self._names())
            self._shown.end = float(view.sample["time"])
        if self.studio.draws(view):
            self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        if self.is_mounted:
            self.query_one(Board).show(self._shown)

    def _names(self) -> list[str]:
        return names_of(panels_for(self._shown.sample))

    async def _follow(self) -> None:
        """The past when it is asked for, and requests as they come."""
        while True:
            try:
                if self._reread.is_set():
                    self._reread.clear()
                    await self._read_past()
                await self._read_requests()
            except StudioError:
                pass  # the frame tells of a lost link; what is shown stays
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK):
                    await self._reread.wait()

    async def _read_past(self) -> None:
        end = self._shown.end if self._shown.held else None
        await self._shown.curves.read(self.studio.wire, self._names(), end)
        if not self._shown.end:
            self._shown.end = now()
        self._show()

    async def _read_requests(self) -> None:
        last = self._requests[-1]["seq"] if self._requests else -REQUESTS
        found = await self.studio.wire.ask("GET", "/requests", since=last)
        if found and self._requests and found[0]["seq"] <= last:
            self._requests.clear()  # another studio counts anew
        if found:
            self._requests.extend(found)
            self._shown.requests = tuple(self._requests)
            self._show()

    # Actions

    def action_window(self, step: int = 1) -> None:
        at = WINDOWS.index(self._shown.curves.window) + step
        self._shown.curves.window = WINDOWS[min(max(at, 0), len(WINDOWS) - 1)]
        self._reread.set()
        self._show()

    def action_window_back(self) -> None:
        self.action_window(-1)

    def action_curves(self) -> None:
        self._shown.first = (self._shown.first + 1) % len(panels_for(self._shown.sample))
        self._show()

    def action_pause(self) -> None:
        self._shown.paused = not self._shown.paused
        self._go_on()

    def action_earlier(self, step: float = -STEP) -> None:
        cursor = 1.0 if self._shown.cursor is None else self._shown.cursor
        self._shown.cursor = min(max(cursor + step, 0.0), 1.0)
        if self._shown.cursor >= 1.0:
            self._shown.cursor = None
        self._go_on()

    def action_later(self) -> None:
        if self._shown.cursor is not None:
            self.action_earlier(STEP)

    def action_below(self) -> None:
        self._shown.processes = not self._shown.processes
        self._show()

    def action_back(self) -> None:
        self._shown.cursor, self._shown.paused = None, False
        self._go_on()

    def _go_on(self) -> None:
        """To the present, unless something still holds it; what came meanwhile is read."""
        if not self._shown.held and self._shown.sample:
            self._shown.end = float(self._shown.sample["time"])
            self._reread.set()
        self._show()
