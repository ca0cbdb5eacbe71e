"""A real App whose terminal is the emulated one, driven by Textual's pilot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.tui.output.emulator import Cell, Terminal
from tests.tui.output.screens import ALL, Wire, textuals_own
from textual._context import visible_screen_stack
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from llm_studio.tui.output.app import TerminalApp
from llm_studio.tui.output.driver import TerminalDriver
from llm_studio.tui.output.painter import Painter


class EmulatedDriver(TerminalDriver):
    """The layer's driver with everything of a real terminal taken out but the drawing."""

    def __init__(self, app: TerminalApp[Any], size: tuple[int, int], terminal: Terminal) -> None:
        Driver.__init__(self, app, size=size)
        self.plain = False
        self.wire = Wire(terminal.feed)
        self.painter = Painter(app.console, ALL, asyncio.get_running_loop(), self.give_up)
        self.painter.attach(self.wire)

    start_application_mode = HeadlessDriver.start_application_mode
    _get_terminal_size = HeadlessDriver._get_terminal_size

    def write(self, data: str) -> None:
        self.painter.write(data)

    def disable_input(self) -> None: ...

    def stop_application_mode(self) -> None: ...

    def close(self) -> None: ...


def emulated(app: TerminalApp[Any], terminal: Terminal) -> TerminalApp[Any]:
    """The App, so that its terminal is the emulated one."""

    def build(headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        assert size is not None
        app._driver = EmulatedDriver(app, size, terminal)
        return app._driver

    app._build_driver = build  # type: ignore[method-assign]
    return app


def textuals_screen(app: TerminalApp[Any]) -> list[list[Cell]]:
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips()
    return textuals_own([[strip] for strip in strips], app.console)


async def until(pilot: Pilot[Any], done: Callable[[], bool]) -> bool:
    """Whether it comes true before long."""
    try:
        async with asyncio.timeout(5):
            while not done():
                await pilot.pause()
    except TimeoutError:
        return False
    return True


async def same(pilot: Pilot[Any], terminal: Terminal) -> bool:
    """Whether the terminal comes to show what Textual has on its screen."""
    app: Any = pilot.app
    assert not app._driver.plain, "the layer failed and gave up"
    return await until(pilot, lambda: terminal.seen() == textuals_screen(app))
