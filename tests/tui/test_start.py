"""The start: what is asked before the imports, and the first thing that is drawn."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.tui.looking import Look, opened
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.settings import load_settings
from llm_studio.tui import ahead
from llm_studio.tui.app import StudioApp
from llm_studio.tui.start import tune_textual
from llm_studio.tui.wire import Wire

pytestmark = pytest.mark.anyio


async def test_what_was_asked_before_is_not_asked_again(studio: ScriptedStudio) -> None:
    asked = ahead.ask(studio.path)
    assert tuple(asked) == ahead.ROUTES
    app = StudioApp(load_settings(), wire=Wire(studio.path, asked))
    async with app.run_test() as pilot:
        look = Look(app, pilot)
        await look.until("alpha")
        await look.until(lambda: studio.count("/files"))
        assert asked == {}, "in other words than the UI asks"
        assert studio.count("/models") == 1
        studio.serves("beta")  # on the stream that began before the UI did
        await look.until(lambda: app.view.status and app.view.status.profile == "beta")


def test_without_a_studio_nothing_is_asked(tmp_path: Path) -> None:
    assert ahead.ask(tmp_path / "studio.sock") == {}


def test_a_studio_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "studio.sock"
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(path))
        hangs.listen(0)
        waiting = [ahead.ask(path) for _ in range(3)]
    assert waiting[-1] == {}
    for each in waiting[0].values():
        each.close()


class Drawings:
    """What is on the screen whenever it is drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        display = StudioApp._display

        def recording(app: Any, screen: Any, drawn: Any) -> None:
            if drawn is not None and not app._batch_count:
                strips = screen._compositor.render_strips()
                self.seen.append("\n".join(strip.text for strip in strips))
            display(app, screen, drawn)

        monkeypatch.setattr(StudioApp, "_display", recording)


async def test_what_is_drawn_first_has_its_content(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = Drawings(monkeypatch)
    async with opened(studio):
        assert "The model alpha" in drawings.seen[0]


async def test_a_studio_that_takes_its_time_does_not_keep_the_ui_away(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings, answer = Drawings(monkeypatch), asyncio.Event()
    data = studio._data

    async def late(*asked: Any) -> Any:
        await answer.wait()
        return await data(*asked)

    monkeypatch.setattr(studio, "_data", late)
    async with opened(studio, ready=False) as look:
        await look.until(lambda: drawings.seen)
        assert "Models" in drawings.seen[0]
        assert "alpha" not in drawings.seen[0]
        answer.set()
        await look.until("The model alpha")


async def test_that_one_is_started_is_told_at_once(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.close()
    drawings, go_on = Drawings(monkeypatch), threading.Event()
    async with opened(studio, ready=False, start=lambda: assert_waits(go_on)) as look:
        await look.until(lambda: drawings.seen)
        assert "Starting the studio" in drawings.seen[0]
        go_on.set()


def assert_waits(go_on: threading.Event) -> None:
    assert go_on.wait(10)


def test_a_network_is_spared() -> None:
    near, far = {"TEXTUAL_FPS": "30", "ESCDELAY": "9"}, {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
    tune_textual(near)
    assert near == {"TEXTUAL_FPS": "30", "ESCDELAY": "9"}, "what somebody has set stays"
    tune_textual(far)
    assert far["TEXTUAL_ANIMATIONS"] == "none"
    assert far["TEXTUAL_SMOOTH_SCROLL"] == "0"
