"""The Logs pane: follows, narrows, searches, copies, saves; opens at once at any length."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tui.looking import Look, opened
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.tui.panes.logs.lines import (
    KEPT,
    SPARE,
    WEIGHT,
    Filter,
    Found,
    Line,
    Lines,
    pattern_of,
)
from llm_studio.tui.panes.logs.view import LogView

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def logs(studio: ScriptedStudio, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Look]:
    async with opened(studio, size=size) as look:
        await look.press("3")
        await look.until("following")
        await look.until(lambda: len(look.app.screen.query_one(LogView).lines) == len(studio.log))
        yield look


def shown(look: Look) -> list[str]:
    """The texts of the lines on the screen."""
    top, height = 3, look.app.screen.query_one(LogView).size.height
    return [line[20:] for line in look.lines[top : top + height] if line]


async def test_it_follows_until_one_scrolls_and_tells_what_waits(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n}" for n in range(1000)])
    async with logs(studio) as look:
        assert shown(look)[-1] == "line 999"
        studio.logs("line 1000")
        await look.until("line 1000")
        await look.press("pageup")
        before = shown(look)
        await look.until("lines below")
        studio.logs(*[f"line {n}" for n in range(1001, 1006)])
        waiting = 1005 - int(before[-1].split()[1])
        await look.until(f"▼ {waiting} lines below")
        assert shown(look) == before
        await look.press("f")
        await look.until("line 1005")
        assert "following" in look.text


async def test_the_end_of_scrolling_follows_again(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n}" for n in range(100)])
    async with logs(studio) as look:
        await look.press("pageup")
        await look.until("below")
        await look.press("pagedown")
        await look.until("following")


async def test_narrowing_by_level_and_source(studio: ScriptedStudio) -> None:
    studio.logs("chatter", level="debug")
    studio.logs("careful", level="warning", source="studio")
    studio.logs("it broke", level="error")
    async with logs(studio) as look:
        await look.press("l")
        await look.until("level info")
        assert shown(look) == ["careful", "it broke"]
        await look.press("l", "l")
        await look.until("level error")
        assert shown(look) == ["it broke"]
        await look.press("o", "o")
        await look.until("No line passes the filter")
        await look.press("escape")
        await look.until("chatter")


async def test_a_filter_shows_only_what_it_finds(studio: ScriptedStudio) -> None:
    studio.logs("slot 1 done", "slot 2 busy", "Slot 3 done", "other")
    async with logs(studio) as look:
        await look.press("i")
        await look.type("slot.*done")
        await look.press("enter")
        assert shown(look) == ["slot 1 done", "Slot 3 done"]
        studio.logs("slot 4 done", "nothing")
        await look.until("slot 4 done")
        assert "nothing" not in shown(look)
        assert "3 of 6 lines" in look.text


async def test_searching_goes_round_and_marks(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n} {'needle' if n % 100 == 7 else ''}" for n in range(500)])
    async with logs(studio) as look:
        await look.press("slash")
        await look.type("needle")
        await look.press("enter")
        await look.until("5 of 5")
        view = look.app.screen.query_one(LogView)
        assert view.cursor == 408
        await look.press("N")
        await look.until("4 of 5")
        await look.press("n", "n")
        await look.until("1 of 5")
        strips = look.app.screen._compositor.render_strips()
        row = next(strip for strip in strips if "needle" in strip.text and "line 7 " in strip.text)
        marked = [s for s in row if s.text == "needle"]
        assert marked[0].style != row._segments[0].style
        await look.press("escape")
        assert "needle" not in look.lines[-2]


async def test_a_pattern_that_is_none_is_taken_word_for_word(studio: ScriptedStudio) -> None:
    studio.logs("a[0", "b")
    async with logs(studio) as look:
        await look.press("slash")
        for key in ("a", "left_square_bracket", "0"):
            await look.press(key)
        await look.until("taken word for word")
        await look.until("search")
        assert "1" in look.lines[-2]


async def test_the_last_error_and_the_one_before(studio: ScriptedStudio) -> None:
    studio.logs("first", level="error")
    studio.logs(*["fine"] * 300)
    studio.logs("second", level="error")
    studio.logs(*["fine"] * 300)
    async with logs(studio) as look:
        await look.press("e")
        await look.until("second")
        await look.press("e")
        await look.until("first")
        await look.press("e")
        await look.until("No error before this")


async def test_selected_lines_are_copied(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n}" for n in range(10)])
    async with logs(studio) as look:
        await look.press("y")
        await look.until("Choose a line first")
        await look.press("up", "up", "space", "up", "up")
        await look.until("3 lines selected")
        await look.press("y")
        assert look.app.clipboard == "line 6\nline 7\nline 8"


async def test_what_is_shown_is_saved_and_nothing_written_over(
    studio: ScriptedStudio, tmp_path: Path
) -> None:
    studio.logs("one", "two")
    target = tmp_path / "kept.log"
    async with logs(studio) as look:
        for _ in range(2):
            await look.press("s")
            await look.until("Save the log")
            look.fill(str(target))
            await look.press("enter")
            await look.until(lambda: target.exists())
        await look.until("Cannot write")
    assert [line.split(" ", 1)[1] for line in target.read_text().splitlines()] == [
        "engine info one",
        "engine info two",
    ]


async def test_wrapping_loses_nothing_and_times_change(studio: ScriptedStudio) -> None:
    text = " ".join(f"word{n}" for n in range(60)) + " 漢字漢字"
    studio.logs("before", text, "after")
    async with logs(studio, (60, 30)) as look:
        assert any(line.endswith("…") for line in look.lines)
        await look.press("w")
        await look.until("漢字漢字")
        assert "".join(shown(look)).replace("before", "", 1).startswith("word0 word1")
        await look.press("t")
        await look.until(" d engine")
        await look.press("t")
        await look.until(lambda: any(line.startswith("  engine    before") for line in look.lines))


EXPLAINED = {
    "seq": 40, "kind": "warning", "what": "10 of 33 layers are on GPUs",
    "why": "The others are slower.", "hint": "Lower the context.",
}  # fmt: skip


async def test_the_engines_own_clock_is_left_out_where_there_is_ours(
    studio: ScriptedStudio,
) -> None:
    """But not of what is copied, and it can still be searched for."""
    told = "0.12.604.038 I slot launch_slot_: id  0 | task 2 | processing task"
    studio.logs(told, "3.5.0 is no clock")
    async with opened(studio, size=(80, 24)) as look:
        await look.press("3")
        await look.until("engine    slot launch_slot_: id  0 | task 2 | processing task")
        assert "engine    3.5.0 is no clock" in look.text
        await look.press("slash")
        look.fill("12.604")
        await look.press("enter")
        await look.until("1 of 1")
        await look.press("y")
        assert look.app.clipboard == told
        await look.press("t", "t")
        await look.until("0.12.604.038 I slot")


@pytest.mark.parametrize("size", [(80, 24), (120, 30)])
async def test_the_line_under_the_cursor_is_explained(
    studio: ScriptedStudio, size: tuple[int, int]
) -> None:
    studio.logs(*[f"line {n}" for n in range(40)])
    studio.answers["/logs/40/explained"] = EXPLAINED
    async with logs(studio, size) as look:
        await look.press("up")
        for told in ("10 of 33 layers are on", "The others are slower.", "Lower the context."):
            await look.until(told)
        assert "line 39" in look.text  # the line itself is not hidden by what is said of it
        await look.press("up")
        await look.until("Nothing more is known of this line.")
        await look.press("f")
        await look.until(lambda: "Nothing more" not in look.text)


async def test_going_to_loads_and_requests(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n}" for n in range(300)])
    async with logs(studio) as look:
        view = look.app.screen.query_one(LogView)
        for key, number in (("L", 20), ("r", 150)):
            studio.answers["/logs/landmark"] = {"seq": number}
            await look.press(key)
            await look.until(lambda number=number: view.cursor == number)  # type: ignore[misc]
            assert f"line {number - 1}" in shown(look)
        studio.answers["/logs/landmark"] = {"seq": None}
        await look.press("r")
        await look.until("No request before this")


async def test_hostile_lines_are_only_text(studio: ScriptedStudio) -> None:
    studio.logs(
        "[/INST] [b]x[/b] [@click=app.quit]", "\x1b]52;c;AAAA\x07\x9b2J\u202e", "漢字" * 200,
        "e" + "\u0301" * 5000, "\ud800", "a\tb\nc",
    )  # fmt: skip
    async with logs(studio) as look:
        assert "[/INST] [b]x[/b] [@click=app.quit]" in look.text
        for keys in (("w",), ("slash", "full_stop", "enter"), ("up", "up"), ("y",), ("home",)):
            await look.press(*keys)
        for letter in "\x1b\x07\x9b\u202e\t":
            assert letter not in look.text
        assert all(
            strip.cell_length == 100 for strip in look.app.screen._compositor.render_strips()
        )


async def test_a_full_ring_shows_its_end_first_and_is_read_whole(studio: ScriptedStudio) -> None:
    studio.logs(*[f"line {n} of the long log" for n in range(50_000)])
    async with opened(studio) as look:
        await look.press("3")
        await look.until("line 49999")
        await look.until("50,000 lines", limit=20)
        await look.press("home")
        await look.until("line 0 of")


async def test_a_hidden_pane_pulls_nothing_and_catches_up(studio: ScriptedStudio) -> None:
    studio.logs("one")
    async with logs(studio) as look:
        await look.press("1")
        await look.until("PROFILE")
        studio.logs(*[f"more {n}" for n in range(2000)])
        await look.pilot.pause(0.1)
        view = look.app.screen.query_one(LogView)
        assert len(view.lines) == 1
        await look.press("3")
        await look.until("more 1999")


async def test_a_new_studio_begins_its_log_again(studio: ScriptedStudio) -> None:
    studio.status["studio"] = {**studio.status["studio"], "since": 1.0}
    studio.logs(*[f"old {n}" for n in range(50)])
    async with logs(studio) as look:
        await studio.close()
        studio.log = []
        studio.logs(*[f"new {n}" for n in range(80)])
        studio.status["studio"] = {**studio.status["studio"], "since": 2.0}
        await studio.open()
        await look.until("new 79")
        await look.press("home")
        await look.until("new 0")
        assert "old" not in look.text


# The lines themselves


def _line(level: str = "info", text: str = "x", source: str = "engine") -> Line:
    return Line(0.0, source, level, text)


def test_old_lines_go_when_there_are_too_many() -> None:
    lines = Lines()
    for start in range(0, KEPT + SPARE + 1, 1000):
        lines.append([_line(text=str(start + n)) for n in range(1000)])
    assert KEPT <= len(lines) <= KEPT + SPARE
    assert lines[lines.first].text == str(lines.first - 1)
    assert lines[lines.last].text == str(lines.last - 1)


def test_long_lines_are_bounded_by_their_weight() -> None:
    lines = Lines()
    for _ in range(60):
        lines.append([_line(text="x" * (WEIGHT // 200)) for _ in range(10)])
    held = sum(len(line.text) for _, line in lines.between(0, lines.last + 1))
    assert WEIGHT // 2 < held <= WEIGHT
    assert lines.whole
    assert lines.last == 600


def test_a_million_lines_behind_the_view_cost_little() -> None:
    lines = Lines()
    page = [(f"slot update: id 3 | task 17 | n_past = {n}" + "x" * 60) for n in range(2000)]
    try:
        for start in range(0, 1_000_000, 2000):
            if start == 900_000:  # what is held at the end is newer, and to trace is slow
                tracemalloc.start()
            lines.append([Line(float(start), "engine", "info", text + " ") for text in page])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines.last == 1_000_000
    assert held < 40 << 20


@given(st.lists(st.tuples(st.sampled_from(["append", "prepend", "restart"]), st.integers(0, 30))))
def test_what_is_found_is_always_what_is_meant(steps: list[tuple[str, int]]) -> None:
    """Kept up step by step, it equals a search from scratch."""
    source = random.Random(1)
    lines, meant = Lines(), Filter(level="warning").means
    lines.restart(1000, [])
    found = Found(meant)
    for step, count in steps:
        new = [_line(source.choice(["info", "error"])) for _ in range(count)]
        if step == "append":
            lines.append(new)
        elif step == "prepend":
            lines.prepend(new)
        else:
            lines.restart(source.randrange(1000, 2000), new)
        found.update(lines)
        assert found.numbers == [n for n, line in lines.between(0, 10**9) if meant(line)]


@given(st.text())
def test_any_text_makes_a_pattern(text: str) -> None:
    pattern, problem = pattern_of(text)
    assert (pattern is None) == (not text)
    assert not problem or (pattern is not None and pattern.search(text))
