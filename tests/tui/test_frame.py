"""The frame: header, tabs, help, palette, picker, questions, errors, a link that breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import Home
from tests.tui.looking import opened
from tests.tui.scripted_studio import ScriptedStudio, profile

from llm_studio.tui.actions import every_action
from llm_studio.tui.dialogs import Question, Trouble
from llm_studio.tui.panes import PANES
from llm_studio.tui.plain import needs_plain
from llm_studio.tui.themes import NAMES
from llm_studio.tui.wire import Event

pytestmark = pytest.mark.anyio
HOSTILE = "[/INST] [b]x[/b] [@click=app.quit]y[/] \x1b]52;c;AAAA\x07 \x9b2J 漢字 e\u0301\u202e\n\t."


async def test_panes_by_number_and_none_that_does_not_exist(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        assert look.lines[1].split() == [
            word for pane in PANES for word in f"{pane.number} {pane.title}".split()
        ]
        await look.press("3")
        await look.until("No line yet")
        await look.press("1")
        await look.until("PROFILE")


async def test_the_header_tells_the_state_and_the_progress(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        assert "○ stopped" in look.lines[0]
        assert "n/a tok/s" in look.lines[0]
        assert "workstation" in look.lines[0]
        studio.becomes(
            state="loading", desired="beta", profile="beta", stage="reading the file", progress=0.4
        )
        await look.until("40% reading the file")
        assert "◐ loading  beta" in look.lines[0]
        studio.serves("beta", stage=None, progress=None)
        await look.until("● ready  beta")


async def test_help_is_made_from_the_bindings(home: Home, studio: ScriptedStudio) -> None:
    home.root.mkdir(exist_ok=True)
    home.config.write_text('[keys]\n"models.sort" = "z"\n')
    async with opened(studio, size=(100, 60)) as look:
        await look.press("question_mark")
        await look.until("Everywhere")
        sort = next(line for line in look.lines if "By state, name, size" in line)
        assert " z " in sort
        await look.press("escape")
        await look.press("z")
        await look.until("Sorted by name")
        await look.press("o")
        assert "Sorted by size" not in look.text


async def test_an_unknown_action_in_the_settings_is_told(
    home: Home, studio: ScriptedStudio
) -> None:
    home.root.mkdir(exist_ok=True)
    home.config.write_text('[keys]\n"models.nosuch" = "z"\n')
    async with opened(studio) as look:
        await look.until("models.nosuch; docs/keys.md")


async def test_the_palette_has_every_action_and_does_it(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("ctrl+p")
        from llm_studio.tui.widgets.listing import Listing

        found = set(look.app.screen.query_one(Listing).keys)
        assert found == {action.id for action in every_action().values() if action.palette}
        await look.type("wrap")
        await look.press("enter")
        await look.until(lambda: look.app.pane is not None and look.app.pane.id == "pane-logs")
        from llm_studio.tui.panes.logs.view import LogView

        await look.until(lambda: look.app.screen.query_one(LogView).wrap)


async def test_the_picker_loads_from_anywhere(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("3", "m")
        await look.until("Which model?")
        await look.type("bet")
        assert "alpha" not in look.text.split("Which")[-1]
        await look.press("enter")
        await look.until(lambda: studio.asked("POST", "/switch") == [{"model": "beta"}])


async def test_hostile_text_in_notices_names_and_errors_is_only_text(
    studio: ScriptedStudio,
) -> None:
    studio.profiles.append(profile("gamma", name=HOSTILE, summary=HOSTILE, tags=[HOSTILE]))
    studio.refusals["POST /switch"] = {
        "status": 409,
        "title": HOSTILE,
        "detail": HOSTILE,
        "hint": HOSTILE,
    }
    async with opened(studio) as look:
        look.app.tell(HOSTILE)
        await look.until("[/INST]")
        await look.press("end", "enter")
        await look.until(lambda: isinstance(look.app.screen, Trouble))
        assert "[/INST] [b]x[/b] [@click=app.quit]y[/]" in look.text
        studio.becomes(state="failed", detail=HOSTILE, failure={
            "cause": "x", "what": HOSTILE, "why": HOSTILE, "hint": HOSTILE, "exit_code": 1,
            "out_of_memory": False, "last_lines": [HOSTILE] * 3,
        })  # fmt: skip
        await look.press("escape", "F", "d")
        await look.until(lambda: isinstance(look.app.screen, Trouble))
        for letter in "\x1b\x07\x9b\u202e\t":
            assert letter not in look.text
        assert look.app.is_running


async def test_an_error_says_what_why_and_what_next(studio: ScriptedStudio) -> None:
    studio.refusals["POST /switch"] = {
        "status": 409, "title": "A switch to 'beta' is under way", "detail": "It began before.",
        "hint": "Wait for it.",
    }  # fmt: skip
    async with opened(studio) as look:
        await look.press("enter")
        await look.until("✗ A switch to 'beta' is under way")
        assert "It began before." in look.text
        assert "→ Wait for it." in look.text
        await look.press("escape")
        assert not isinstance(look.app.screen, Trouble)


async def test_a_load_that_fails_is_told_with_the_log_on_demand(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("enter")
        await look.until(lambda: look.app.view.job("switch"))
        studio.becomes(state="failed", failure={
            "cause": "memory", "what": "Out of memory", "why": "", "hint": "Use less.",
            "exit_code": 1, "out_of_memory": True, "last_lines": ["cudaMalloc failed"],
        })  # fmt: skip
        studio.job(
            "j1", "failed", error="Out of memory. GPU 0 was full.", hint="Use less `context`."
        )
        await look.until("✗ Out of memory")
        assert "→ Use less context." in look.text  # what is to be typed is bold instead
        assert "cudaMalloc" not in look.text
        await look.press("d")
        await look.until("cudaMalloc failed")


async def test_a_defect_becomes_a_dialog_and_a_file(home: Home, studio: ScriptedStudio) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("[/INST]")

    async with opened(studio) as look:
        look.app.do(broken())
        await look.until("met a defect of its own")
        await look.press("d")
        await look.until("ZeroDivisionError")
    assert "ZeroDivisionError" in (home.state / "ui-defect.txt").read_text()


async def test_a_studio_of_another_version_is_told(studio: ScriptedStudio) -> None:
    studio.status["studio"] = {**studio.status["studio"], "version": "9.9"}
    async with opened(studio) as look:
        await look.until("The studio is of version 9.9")


async def test_a_studio_that_tells_other_things_breaks_nothing(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        known = studio.status
        studio.status = {"state": "ready"}
        studio.tell("status", studio.status)
        await look.until("The studio is of another version")
        studio.status = known
        await look.until("○ stopped")


# Leaving


async def test_leaving_with_nothing_served_asks_nothing(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("q")
        await look.until(lambda: not look.app.is_running)
    assert studio.wishes == []


async def test_what_failed_is_not_said_to_go_on(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        studio.becomes(state="failed", profile="alpha", desired="alpha")
        await look.until("✗ failed")
        await look.press("q")
        await look.until(lambda: not look.app.is_running)
        assert look.app._exit_renderables == []
    assert studio.wishes == []


async def test_leaving_asks_once_and_remembers(home: Home, studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        studio.serves("alpha")
        await look.until("● ready")
        await look.press("q")
        await look.until("Leave llm-studio")
        await look.press("escape")
        assert look.app.is_running
        await look.press("q", "r", "l")
        await look.until(lambda: not look.app.is_running)
    assert studio.wishes == []
    assert 'on_quit = "leave"' in home.config.read_text()
    async with opened(studio) as look:
        await look.press("q")
        await look.until(lambda: not look.app.is_running)


async def test_leaving_can_stop_the_model_but_asks_while_requests_run(
    studio: ScriptedStudio,
) -> None:
    async with opened(studio) as look:
        studio.serves("alpha", running=2)
        await look.until("● ready")
        await look.press("q", "s")
        await look.until("2 requests not done yet")
        await look.press("n")
        await look.pilot.pause()
        assert look.app.is_running
        assert studio.wishes == []
        await look.press("q", "s")
        await look.until("Stop alpha?")
        await look.press("y")
        await look.until(lambda: not look.app.is_running)
    assert studio.asked("POST", "/stop") == [None]


async def test_a_switch_asks_while_requests_run(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        studio.serves("alpha", running=1)
        await look.until("● ready")
        await look.press("down", "enter")
        await look.until("Switch to beta?")
        assert isinstance(look.app.screen, Question)
        await look.press("n")
        assert studio.wishes == []
        await look.press("enter")
        await look.until("Switch to beta?")
        await look.press("enter")
        await look.until(lambda: studio.asked("POST", "/switch") == [{"model": "beta"}])
        await look.press("enter")
        await look.until("Switch to beta?")
        await look.press("c")
        await look.until(lambda: len(studio.asked("POST", "/switch")) == 2)
        assert studio.asked("POST", "/switch")[1] == {"model": "beta", "drain": False}


# The link


async def test_a_studio_that_was_ended_is_told_and_not_started(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        studio.serves("alpha")
        await look.until("● ready")
        await studio.close()
        await look.until("⚠ No studio runs")
        assert "was ready alpha" in look.lines[0]
        await look.press("enter")
        await look.until("✗ No studio runs")
        await look.press("escape")
        await studio.open()
        await look.until("● ready")


async def test_a_studio_that_hangs_is_told_and_followed_again(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and says nothing: what it said last may long be wrong."""
    monkeypatch.setattr("llm_studio.tui.wire.HUSH", 0.2)
    async with opened(studio, ready=False) as look:
        studio.serves("alpha")
        await look.until("⚠ The studio does not answer, for")
        assert "● ready" not in look.lines[0]
        monkeypatch.setattr("llm_studio.tui.wire.HUSH", 60)
        await look.until("● ready")


async def test_a_studio_that_died_is_started_again(studio: ScriptedStudio) -> None:
    import asyncio

    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def start() -> None:
        asyncio.run_coroutine_threadsafe(studio.open(), loop).result(5)
        loop.call_soon_threadsafe(started.set)

    async with opened(studio, start=start) as look:
        await studio.close(dies=True)
        await asyncio.wait_for(started.wait(), 10)
        await look.until(lambda: look.app.view.live)


async def test_nothing_runs_at_first_so_it_is_started(studio: ScriptedStudio) -> None:
    import asyncio

    await studio.close()
    loop = asyncio.get_running_loop()

    def start() -> None:
        asyncio.run_coroutine_threadsafe(studio.open(), loop).result(5)

    async with opened(studio, start=start) as look:
        assert look.app.view.live


async def test_a_studio_that_does_not_start_says_why(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_studio.errors import StudioError

    def start() -> None:
        raise StudioError("The studio does not start", why="Port 8081 cannot be used.")

    await studio.close()
    async with opened(studio, start=start, ready=False) as look:
        events, tries = look.app.wire.events, 0

        def again(mark: str) -> AsyncIterator[Event]:
            nonlocal tries
            tries += 1
            return events(mark)

        await look.until("Port 8081 cannot be used")
        monkeypatch.setattr(look.app.wire, "events", again)
        await look.until(lambda: tries == 2)  # the first of them is over
        assert "Port 8081 cannot be used" in look.app.view.trouble, "it stays to be read"


# Looks


@pytest.mark.parametrize("theme", NAMES)
async def test_every_theme_shows_the_cursor_and_the_tab(studio: ScriptedStudio, theme: str) -> None:
    async with opened(studio, theme=theme) as look:
        strips = look.app.screen._compositor.render_strips()
        row = next(strip for strip in strips if "alpha" in strip.text)
        other = next(strip for strip in strips if "beta" in strip.text)

        def looks(strip: object) -> set[tuple[object, object]]:
            return {(s.style.bgcolor, s.style.reverse) for s in strip if s.style}  # type: ignore[attr-defined]

        assert looks(row) != looks(other)


async def test_without_colour_the_cursor_is_still_seen(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(studio, theme="") as look:
        assert look.app.theme == "terminal"
        strips = look.app.screen._compositor.render_strips()
        for segment in (segment for strip in strips for segment in strip):
            for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                assert colour is None or colour.is_default
        row = next(strip for strip in strips if "alpha" in strip.text)
        assert any(segment.style and segment.style.reverse for segment in row)


async def test_without_unicode_all_is_ascii(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "vt100")
    studio.profiles.append(profile("gamma", name="漢字 é"))
    async with opened(studio) as look:
        assert look.text.isascii(), look.text
        await look.press("question_mark")
        await look.until("Everywhere")
        assert look.text.isascii(), look.text


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({}, False),  # says nothing, as in many containers; terminals of today know UTF-8
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "en_US.utf8"}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # the latter is set by Python's start
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, True),
    ],
)
def test_when_the_terminal_is_trusted_with_unicode(
    environment: dict[str, str], plain: bool
) -> None:
    assert needs_plain(environment) is plain


@pytest.mark.parametrize("theme", NAMES)
async def test_with_few_colours_the_cursor_is_still_seen(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)
    async with opened(studio, theme=theme) as look:
        strips = look.app.screen._compositor.render_strips()
        row = next(strip for strip in strips if "alpha" in strip.text)
        assert any(segment.style and segment.style.reverse for segment in row)


async def test_a_stale_link_is_dim_in_the_colours_of_the_terminal(studio: ScriptedStudio) -> None:
    """Which cannot be mixed with others."""
    async with opened(studio, theme="terminal") as look:
        studio.serves("alpha")
        await look.until("● ready")
        await studio.close()
        await look.until("No studio runs")

        def dim() -> bool:
            strips = look.app.screen._compositor.render_strips()
            row = next(strip for strip in strips if "beta" in strip.text)
            return all(
                segment.style and segment.style.dim for segment in row if segment.text.strip()
            )

        await look.until(dim)


async def test_any_size_and_live_resize(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n}" for n in range(300)])
    async with opened(studio, size=(20, 5)) as look:
        for keys in (("3",), ("1",), ("m",), ("escape",)):
            await look.press(*keys)
        for width, height in ((40, 10), (250, 70), (160, 50), (80, 24), (1, 1), (100, 30)):
            await look.pilot.resize_terminal(width, height)
            await look.pilot.pause()
        await look.until("PROFILE")
        assert max(map(len, look.lines)) <= 100
