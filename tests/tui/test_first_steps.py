"""The Models pane where there is nothing yet: three ways to begin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.tui.looking import opened
from tests.tui.monitoring import GiB, gpu, sample
from tests.tui.scripted_studio import ScriptedStudio, profile
from textual.events import Key

from llm_studio.tui.panes.models.pane import ModelsPane
from llm_studio.tui.widgets.listing import Listing

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def bare(studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch) -> ScriptedStudio:
    """What ships, the demo, and no model."""
    monkeypatch.setenv("LLM_STUDIO_MODELS", "/data/models")
    absent = {"state": "missing", "shipped": True, "fit": None, "badge": "", "size": None}
    studio.profiles = [
        profile("demo", shipped=True, tags=["demo"], size=1 << 20),
        profile("tiny-embed", repo="a/b", tags=["embedding", "8gb"], **absent),
        profile("qwen3.5-4b", repo="a/small", tags=["chat", "8gb"], **absent),
        profile("qwen3-14b", repo="a/middle", tags=["chat", "16gb"], **absent),
        profile("gemma-4-31b", repo="a/large", tags=["chat", "24gb"], **absent),
    ]
    return studio


@pytest.mark.parametrize("size", SIZES)
async def test_three_ways_to_begin(bare: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(bare, size=size) as look:
        await look.until("No model of yours is here yet")
        bare.tell("sample", sample(gpu(0, memory_total=16 * GiB, memory_used=3 * GiB)))
        await look.until("GPU 16.0 GiB")
        await look.same_as_before("first-steps")
        await look.press("g")
        await look.until("All may suit this machine")
        assert look.app.screen.query_one(Listing).keys == ["qwen3-14b", "qwen3.5-4b"]
        bare.answers["/hub/offers"] = {"repository": "a/middle", "offers": []}
        await look.press("enter")
        await look.until("Download qwen3-14b?")
        await look.press("y")
        await look.until(lambda: bare.asked("POST", "/downloads") == [{"what": "qwen3-14b"}])
        await look.until("downloading")


async def test_keys_of_a_cold_start_wait_for_what_they_need_or_do_nothing(
    bare: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, known = bare._data, asyncio.Event()

    async def late(method: str, route: str, *asked: Any) -> Any:
        if route == "/models":
            await known.wait()
        return await data(method, route, *asked)

    monkeypatch.setattr(bare, "_data", late)
    async with opened(bare, ready=False) as look:
        for key in "defD":  # before there is anything under the cursor
            look.app._driver.process_message(Key(key, key))  # type: ignore[union-attr]
        await look.until("Reading profiles")
        await look.pilot.pause()
        assert len(look.app.screen_stack) == 1
        assert not bare.asked("POST", "/switch")
        known.set()
        await look.until(lambda: bare.asked("POST", "/switch") == [{"model": "demo"}])


async def test_the_demo_model(bare: ScriptedStudio) -> None:
    async with opened(bare) as look:
        await look.until("Try the demo model")
        await look.press("D")
        await look.until(lambda: bare.asked("POST", "/switch") == [{"model": "demo"}])
        bare.serves("demo")
        bare.job("j1", "done", title="Serve demo")
        await look.until("● ready  demo")
        await look.until("Write a message")  # one key, and one chats with it
        await look.press("escape", "1")
        await look.until("PROFILE")
        await look.press("D")  # where something is served, a slip does nothing
    assert len(bare.asked("POST", "/switch")) == 1


async def test_who_went_elsewhere_while_the_demo_loads_stays_there(bare: ScriptedStudio) -> None:
    async with opened(bare) as look:
        await look.until("Try the demo model")
        await look.press("D")
        await look.until(lambda: bare.asked("POST", "/switch"))
        await look.press("3")
        bare.serves("demo")
        bare.job("j1", "done", title="Serve demo")
        await look.until("demo is ready")
        assert look.app.pane is not None
        assert look.app.pane.id == "pane-logs"


async def test_no_demo_where_it_is_not_listed(bare: ScriptedStudio) -> None:
    del bare.profiles[0]
    async with opened(bare) as look:
        await look.until("Download one that fits")
        assert "demo" not in look.text
        await look.press("D")
        assert bare.wishes == []


async def test_files_that_are_here_get_a_profile(bare: ScriptedStudio) -> None:
    bare.files = [{
        "name": "SmolLM3-3B-Q8_0.gguf", "size": 3 << 30, "place": "huggingface",
        "quantisation": "Q8_0", "parameters": "3.1B", "problem": "",
    }]  # fmt: skip
    async with opened(bare) as look:
        await look.until("1 file: SmolLM3-3B-Q8_0.gguf")
        await look.press("n")
        await look.until("Which model file?")
        await look.press("enter")
        await look.until("made is made")
        assert bare.asked("POST", "/profiles") == [{"file": "SmolLM3-3B-Q8_0.gguf"}]
        assert look.app.screen.query_one(Listing).key == "made"


async def test_esc_shows_all_profiles_and_the_steps_again(bare: ScriptedStudio) -> None:
    async with opened(bare) as look:
        await look.until("No model of yours is here yet")
        await look.press("escape")
        await look.until("Not on this machine")
        assert "No model of yours" not in look.text
        await look.press("escape")
        await look.until("No model of yours is here yet")


async def test_the_cursor_goes_over_the_ways_that_there_are(bare: ScriptedStudio) -> None:
    async with opened(bare) as look:
        bare.tell("sample", sample(gpu(0)))
        await look.until("Download one that fits")
        await look.press("enter")  # there is no file, so the first way is the second
        await look.until("All may suit this machine")
        await look.press("escape", "down", "enter")
        await look.until(lambda: bare.asked("POST", "/switch") == [{"model": "demo"}])
        assert bare.asked("POST", "/downloads") == []


async def test_what_is_read_late_does_not_take_the_focus_back(bare: ScriptedStudio) -> None:
    async with opened(bare) as look:
        await look.until("No model of yours is here yet")
        models = look.app.query_one(ModelsPane)
        await look.press("3")
        logs = look.app.query_one("#pane-logs")
        await look.until(lambda: logs.has_focus_within)
        models._looks_around = True
        models._show_rows()
        await look.pilot.pause()
        assert not models.has_class("-empty")
        assert logs.has_focus_within
