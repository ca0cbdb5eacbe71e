"""What Textual's compositor came across while it looked something up is told all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual import screen
from textual._compositor import Compositor
from textual.app import App
from textual.widgets import Static

from llm_studio.tui import reflow

pytestmark = pytest.mark.anyio


@pytest.fixture
def _textual_as_it_was() -> Iterator[None]:
    yield
    module: Any = screen
    module.Compositor = Compositor


async def told_of(compositor: Compositor) -> tuple[bool, bool]:
    """Whether a widget that comes is told that it is shown, and then that it grew."""
    app = App[None]()
    async with app.run_test(size=(40, 10)) as pilot:
        told = []
        compositor.reflow(app.screen, app.size)
        widget = Static("here")
        await app.mount(widget)
        for height, kind in ((1, "shown"), (5, "resized")):
            widget.styles.height = height
            await pilot.pause()
            compositor._full_map_invalidated = True  # as when another new widget is drawn
            assert compositor.find_widget(widget).region.height == height
            told.append(widget in getattr(compositor.reflow(app.screen, app.size), kind))
        return told[0], told[1]


async def test_textual_alone_forgets() -> None:
    """When this fails Textual has mended it, and `reflow` is not needed any more."""
    assert await told_of(Compositor()) == (False, False)


async def test_nothing_is_forgotten() -> None:
    assert await told_of(reflow.TellingCompositor()) == (True, True)


@pytest.mark.usefixtures("_textual_as_it_was")
async def test_screens_are_made_with_it() -> None:
    reflow.install()
    async with App[None]().run_test() as pilot:
        assert isinstance(pilot.app.screen._compositor, reflow.TellingCompositor)
