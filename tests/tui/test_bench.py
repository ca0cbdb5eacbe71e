"""The Bench pane: what was measured, what is, what it will take, and what differs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.tui.benching import AT, HOUR, OFFERS, partial, run, speed_points, tell, tell_comparison
from tests.tui.looking import opened
from tests.tui.scripted_studio import ScriptedStudio, profile

from llm_studio.bench.compare import compare
from llm_studio.bench.overview import summary_of
from llm_studio.bench.record import MEASURES, Figure
from llm_studio.bench.regressions import change, told_of
from llm_studio.tui.panes.bench import rows
from llm_studio.tui.panes.bench.comparing import comparison_sheet, quality_sheet
from llm_studio.tui.panes.bench.plot import Series, plotted
from llm_studio.tui.panes.bench.sheet import run_sheet
from llm_studio.tui.panes.bench.wanted import Wanted, outlook
from llm_studio.tui.plain import plain
from llm_studio.tui.widgets.painted import Part

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (120, 40), (200, 60)]
OLD = run(1, age=72 * HOUR, build="b8000", speed=44.0)
NEW = run(2, age=3 * HOUR)
CODING = run(
    3, "humaneval", age=2 * HOUR, right=133, of=164,
    model_file="DeepSeek-Coder-V2-Instruct-Q4_K_M.gguf",
)  # fmt: skip
BETA = run(4, profile="beta", age=26 * HOUR, speed=95.0)
BETA_CODING = run(5, "humaneval", "beta", age=25 * HOUR, right=101, of=164, state="cancelled")
TEXT = run(
    7, "perplexity", age=30 * HOUR, points=[],
    figures={"perplexity": Figure(value=6.2, low=6.0, high=6.4, of=2048, parts=[1.8] * 8)},
)  # fmt: skip
ALL = (OLD, BETA, BETA_CODING, NEW, CODING, TEXT)
MEASURED = {name: {"title": title, "about": about} for name, (title, about) in MEASURES.items()}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "now", lambda: AT)


@pytest.fixture
def measured(studio: ScriptedStudio) -> ScriptedStudio:
    tell(studio, OLD, BETA, BETA_CODING, NEW, CODING, regressed={3: 0})
    return studio


@pytest.mark.parametrize("size", SIZES)
async def test_results(measured: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(measured, size=size) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("down")
        await look.until("Worse than")
        await look.same_as_before("bench")


async def test_a_result_as_a_whole(measured: ScriptedStudio) -> None:
    async with opened(measured, size=(120, 40)) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("down", "enter")
        await look.until("prompt tok/s over")
        await look.same_as_before("bench-whole")
        await look.press("pagedown")
        await look.until("THROUGH THE SERVER")
        await look.press("end")
        await look.until("Figures are medians")
        await look.press("escape")
        await look.until("PROFILE")
        await look.press("up", "enter")
        await look.until("Task/140")
        assert "input 3 of 9" in look.text
        assert "published for DeepSeek-Coder-V2-Instruct" in look.text


async def test_two_are_compared(measured: ScriptedStudio) -> None:
    tell_comparison(measured, OLD, NEW)
    async with opened(measured, size=(120, 40)) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("end", "space", "home", "down", "space", "c")
        await look.until("B: ")
        query = {"first": OLD.id, "second": NEW.id}
        assert ("/bench/compare", query) in measured.queries
        await look.same_as_before("bench-compared")


async def test_quality_against_speed(measured: ScriptedStudio) -> None:
    better = run(6, "humaneval", "beta", age=HOUR, right=120, of=164)
    tell(measured, OLD, BETA, NEW, CODING, better)
    async with opened(measured, size=(80, 24)) as look:
        await look.press("5")
        await look.until("120 of 164")
        await look.press("v")
        await look.until("pass@1 plus over tok/s")
        await look.same_as_before("bench-quality")


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_yet(studio: ScriptedStudio, size: tuple[int, int]) -> None:
    tell(studio)
    async with opened(studio, size=size) as look:
        await look.press("5")
        await look.until("Nothing was measured yet.")
        assert "n  runs a benchmark" in look.text


async def test_what_is_run_is_chosen_with_what_it_takes(measured: ScriptedStudio) -> None:
    measured.answers["/bench/estimates"] = [
        {"profile": "alpha", "seconds": 720.0, "basis": "the last one, 2026-01-01"},
        {"profile": "beta", "seconds": None, "basis": "only quick ones were done"},
    ]
    measured.answers["/bench/speed"] = {
        "id": "b1", "kind": "bench", "title": "Speed of alpha", "state": "running",
        "fraction": None, "message": "loading", "error": "", "hint": "", "started": 0.0,
        "ended": None, "result": None,
    }  # fmt: skip
    async with opened(measured, size=(80, 24)) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("n")
        await look.until("About 12 min")
        await look.press("a")
        await look.until("About 12 min for 1 of 2; 1 not known.")
        await look.same_as_before("bench-form")
        await look.press("down", "enter")
        await look.until("yes")
        await look.press("s")
        await look.until("◐")
        assert measured.asked("POST", "/bench/speed") == [
            {"profiles": ["alpha", "beta"], "quick": True}
        ]


async def test_what_goes_on_is_shown_as_it_is_found(measured: ScriptedStudio) -> None:
    async with opened(measured, size=(120, 40)) as look:
        await look.press("5")
        await look.until("133 of 164")
        measured.answers["/bench/running"] = [partial("b1", speed_points(40.0)[:6])]
        measured.job(
            "b1", "running", kind="bench", title="Speed of alpha", fraction=0.4,
            message="depth 2048: 3 of 5",
        )  # fmt: skip
        await look.until("◐")
        await look.press("home")
        await look.until("40%  depth 2048")
        await look.until("tok/s over tokens")
        await look.same_as_before("bench-running")
        await look.press("s")
        await look.until("Cancel this run?")
        await look.press("y")
        await look.until(lambda: measured.asked("POST", "/jobs/b1/cancel"))


async def test_one_is_compared_with_the_one_before_it(measured: ScriptedStudio) -> None:
    tell_comparison(measured, OLD, NEW)
    async with opened(measured) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("c")
        await look.until("There is nothing to compare it with")
        await look.press("escape", "down", "c")
        await look.until("B: ")
        assert ("/bench/compare", {"first": OLD.id, "second": NEW.id}) in measured.queries


async def test_a_run_that_ends_gives_way_to_its_result(measured: ScriptedStudio) -> None:
    async with opened(measured) as look:
        await look.press("5")
        await look.until("133 of 164")
        measured.answers["/bench/running"] = [partial("b1", [], started=AT - 60)]
        measured.job("b1", "running", kind="bench", title="Speed of alpha", message="loading")
        await look.until("◐")
        await look.press("home", "enter")
        await look.until("Nothing is measured yet.")
        result = run(9, age=60, speed=41.0)
        tell(measured, OLD, NEW, result)
        measured.answers["/bench/running"] = []
        measured.job("b1", "done", kind="bench", title="Speed of alpha", message="1 of 1 measured")
        await look.until(lambda: "took 12 min" in look.text and "Esc back" in look.text)
        await look.press("escape")
        await look.until("41.0 tok/s")


async def test_it_is_filtered_and_sorted(measured: ScriptedStudio) -> None:
    async with opened(measured) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("slash")
        look.fill("beta speed")
        await look.press("enter")
        await look.until(lambda: "81.1%" not in look.text)
        assert "95.0 tok/s" in look.text
        await look.press("escape")
        await look.until("81.1%")
        await look.press("o", "o", "o")
        await look.until("Sorted by speed")
        first = next(line for line in look.lines if "tok/s" in line and "alpha" in line)
        rows_shown = [line for line in look.lines if " d  b" in line or " h  b" in line]
        assert rows_shown.index(first) > 0
        assert "95.0" in rows_shown[0]


async def test_a_number_is_typed_and_one_that_is_none_is_told(measured: ScriptedStudio) -> None:
    async with opened(measured) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("n")
        await look.until("not known: never done")
        await look.press("enter")
        await look.until("Coding (2 of")
        lines = [line for line in look.lines if "limit" in line]
        assert lines
        await look.press("down", "down", "down", "enter")
        await look.until("only so many tasks")
        look.fill("many")
        await look.press("enter")
        await look.until("many is no number from 0 to 100,000")
        await look.press("escape", "enter")
        look.fill("5")
        await look.press("enter")
        await look.until(lambda: any("limit" in each and " 5 " in each for each in look.lines))
        asked = [query for route, query in measured.queries if route == "/bench/estimates"]
        await look.until(lambda: measured.queries[-1][1].get("limit") == "5")
        assert asked[-1]["suite"] == "humaneval"
        await look.press("backspace")
        await look.until(lambda: measured.queries[-1][1].get("limit") == "0")


async def test_a_refused_run_says_why(measured: ScriptedStudio) -> None:
    measured.refusals["POST /bench/speed"] = {
        "status": 409, "title": "It cannot be measured", "detail": "It is so.", "hint": "Wait.",
    }  # fmt: skip
    measured.serves("beta")
    async with opened(measured) as look:
        await look.press("5")
        await look.until("133 of 164")
        await look.press("n")
        await look.until("●")
        await look.press("s")
        await look.until("It cannot be measured")
        assert measured.asked("POST", "/bench/speed") == [{"profiles": ["beta"]}]


async def test_without_a_profile_there_is_nothing_to_run(studio: ScriptedStudio) -> None:
    tell(studio)
    studio.profiles = [profile("gone", state="missing")]
    async with opened(studio) as look:
        await look.press("5")
        await look.until("Nothing was measured yet.")
        await look.press("n")
        await look.until("There is no profile that could be measured")


async def test_hidden_it_asks_for_nothing(measured: ScriptedStudio) -> None:
    async with opened(measured) as look:
        assert not [route for route in measured.reads if route.startswith("/bench")]
        await look.press("5")
        await look.until("133 of 164")
        await look.press("1")
        await look.until("CTX")
        before = [route for route in measured.reads if route.startswith("/bench")]
        for fraction in (0.1, 0.2, 0.3):
            measured.job("b1", "running", kind="bench", title="Speed of alpha", fraction=fraction)
            await look.until(f"{fraction:.0%}")
        assert [route for route in measured.reads if route.startswith("/bench")] == before


# The lines by themselves


def text(lines: list[list[Part]]) -> list[str]:
    return ["".join(each for each, _ in line) for line in lines]


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9)),
        min_size=1, max_size=8,
    ),
    st.integers(20, 160), st.integers(4, 30),
)  # fmt: skip
def test_any_values_fill_a_plot_exactly(
    points: list[tuple[float, float, float, float]], width: int, height: int
) -> None:
    ordered = [(place, *sorted(values)) for place, *values in points]
    rows = plotted("title", [Series("a", ordered)], width, height)  # type: ignore[arg-type]
    assert len(rows) == height
    assert all(cell_len(line) <= width for line in text(rows))
    assert "●" in "\n".join(text(rows))


def test_a_plot_shows_what_is_more_above_what_is_less() -> None:
    rows = text(plotted("t", [Series("a", [(1, 1, 1, 1), (8, 9, 9, 9)])], 40, 12))
    marks = [(at, line.index("●")) for at, line in enumerate(rows) if "●" in line]
    assert marks[0][1] > marks[-1][1]
    assert rows[-1].split() == ["1", "8"]


def test_a_value_far_off_does_not_press_the_others_flat() -> None:
    rows = text(plotted("t", [Series("a", [(1, 9, 10, 10_000), (2, 9, 10, 11)])], 40, 12))
    assert rows[1].startswith("20│") or rows[1].startswith("25│")


@pytest.mark.parametrize("width", [40, 44, 78, 118, 198])
def test_sheets_fit_any_width(width: int) -> None:
    told = [each.model_dump(mode="json") for each in (OLD, NEW, CODING, TEXT)]
    found = [told_of(each).model_dump(mode="json") for each in compare(OLD, NEW)]
    regressed = change(OLD, NEW)
    assert regressed is not None
    sheets = [
        *(run_sheet(each, width, 40, measures=MEASURED) for each in told),
        *(run_sheet(each, width, 9, measures=MEASURED, short=True) for each in told),
        run_sheet(told[1], width, 40, measures=MEASURED, change=regressed.model_dump(mode="json")),
        comparison_sheet(told[0], told[1], found, ["image: a → b"], width),
        quality_sheet([summary_of(each).model_dump(mode="json") for each in ALL], width, 20),
    ]
    for sheet in sheets:
        assert sheet
        wide = [line for line in text(sheet) if cell_len(line) > width]
        assert not wide, wide


def test_all_of_it_has_a_stand_in_where_there_is_no_unicode() -> None:
    regressed = change(OLD, NEW)
    assert regressed is not None
    told = regressed.model_dump(mode="json")
    shown = text(run_sheet(NEW.model_dump(mode="json"), 78, 40, measures={}, change=told))
    shown += text(quality_sheet([summary_of(each).model_dump(mode="json") for each in ALL], 78, 40))
    assert any(not line.isascii() for line in shown)
    assert not any("?" in plain(line) for line in shown)


def test_every_figure_of_a_whole_result_is_in_its_tables() -> None:
    shown = "\n".join(text(run_sheet(NEW.model_dump(mode="json"), 78, 20, measures=MEASURED)))
    for word in ("answer 128", "prompt 8,192 cold", "depth 32,768", "4 at a time", "GAP P95 MS"):
        assert word in shown
    assert "perplexity" in "\n".join(
        text(run_sheet(TEXT.model_dump(mode="json"), 78, 20, measures=MEASURED))
    )


def test_perplexity_is_plotted_as_what_is_better_the_lower_it_is() -> None:
    shown = text(quality_sheet([summary_of(each).model_dump(mode="json") for each in ALL], 78, 40))
    assert any("perplexity over tok/s; the lower, the better" in line for line in shown)


def test_what_is_left_to_its_default_is_not_sent() -> None:
    wanted = Wanted(OFFERS, ["a", "b"], ["a"])
    assert wanted.body() == {"profiles": ["a"]}
    wanted.next_suite()
    wanted.set("limit", 3)
    assert (wanted.suite, wanted.limit, wanted.quick) == ("humaneval", 3, False)
    assert wanted.body() == {"profiles": ["a"], "limit": 3}
    wanted.choose_all()
    assert wanted.chosen == ["a", "b"]
    wanted.choose_all()
    assert wanted.chosen == []


def test_an_outlook_adds_up_what_is_known() -> None:
    wanted = Wanted(OFFERS, ["a", "b"], ["a", "b"])
    known = {
        "a": {"seconds": 60.0, "basis": "x"}, "b": {"seconds": 5340.0, "basis": "y"},
    }  # fmt: skip
    assert outlook(wanted, known, "a").startswith("About 1.5 h for 2 profiles;")
    assert "a is served again" in outlook(wanted, known, "a")
    assert "not known" in outlook(wanted, {}, None)
    wanted.chosen = []
    assert "at least one" in outlook(wanted, known, None)
