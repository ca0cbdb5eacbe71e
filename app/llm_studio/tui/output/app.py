"""The kind of App that draws through this layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, ReturnType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen

from llm_studio.tui.output.driver import TerminalDriver
from llm_studio.tui.output.pace import Pace


class TerminalApp(App[ReturnType], Generic[ReturnType]):
    """A Textual App of which only changed cells travel to the terminal."""

    plain_output = False
    """Set before the App runs: Textual's own output, where this layer is suspected of a fault."""

    @property
    def pace(self) -> Pace:
        """How fast the link is; `pace.slow` asks for fewer repaints and no animation."""
        return self._driver.pace if isinstance(self._driver, TerminalDriver) else Pace()

    def repaint_terminal(self) -> None:
        """Send the whole screen again, as after another program wrote over it."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.painter.repaint()
        self.refresh()

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        return TerminalDriver if driver is LinuxDriver else driver

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """As Textual's, but nothing is drawn meanwhile, and the UI comes back if the body fails."""
        failure: BaseException | None = None
        with self.batch_update(), super().suspend():
            try:
                yield
            except BaseException as error:
                failure = error
        if failure is not None:
            raise failure

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if (
            not isinstance(driver, TerminalDriver)
            or driver.plain
            or not isinstance(renderable, LayoutUpdate | ChopsUpdate)
        ):
            super()._display(screen, renderable)
            return
        try:
            if self._running and not self._closed and not self._batch_count:
                driver.painter.synchronized = self._sync_available
                cursor = screen.outer_size.clamp_offset(self.cursor_position)
                driver.painter.show(renderable, screen._compositor.size, cursor)
        finally:
            self.post_display_hook()
