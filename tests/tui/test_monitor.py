"""The Monitor pane: what is drawn is what was measured, and what is not known is called so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.tui.looking import opened
from tests.tui.monitoring import AT, ENGINE, GiB, gpu, history, request, sample
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.schema import DeviceSplit, HostSample, Mark
from llm_studio.tui.panes.monitor import board as board_module
from llm_studio.tui.panes.monitor import panels as panels_module
from llm_studio.tui.panes.monitor.board import Shown, _now, board
from llm_studio.tui.panes.monitor.curves import Curves, Note, value_of
from llm_studio.tui.panes.monitor.gauges import engine_lines, gpu_lines
from llm_studio.tui.panes.monitor.panels import panels_for
from llm_studio.tui.widgets.graph import Line, drawn
from llm_studio.tui.widgets.painted import Part

pytestmark = pytest.mark.anyio


def text(rows: list[list[Part]]) -> list[str]:
    return ["".join(each for each, _ in row).rstrip() for row in rows]


# The graph


def test_a_curve_goes_from_the_floor_to_the_top() -> None:
    spans = [(i / 7, i / 7) for i in range(8)]
    rows = text(drawn([Line("x", spans, "accent")], 4, 2, top=1.0))
    assert rows[1][0] != " "
    assert rows[0][-1] != " "


def test_a_spike_is_drawn_whole_and_a_gap_stays_empty() -> None:
    spans = [(0.0, 1.0), None, None, None, (0.5, 0.5), None]
    rows = text(drawn([Line("x", spans, "accent")], 3, 3, top=1.0))
    assert [row[0] != " " for row in rows] == [True, True, True]
    assert [row[1:2].strip() for row in rows] == ["", "", ""]


def test_a_curve_has_no_hole_where_it_climbs_or_falls() -> None:
    spans = [(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    rows = text(drawn([Line("x", spans, "accent")], 3, 3, top=1.0))
    assert rows[1] == " ⡇⡇"  # between the floor and the top


@given(
    st.lists(
        st.none() | st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)).map(sorted),
        max_size=30,
    ),
    st.integers(1, 12), st.integers(1, 6), st.floats(0, 1e12), st.none() | st.integers(0, 11),
)  # fmt: skip
def test_any_numbers_fill_the_graph_exactly(
    spans: list[Any], width: int, height: int, top: float, cursor: int | None
) -> None:
    rows = drawn([Line("x", spans, "accent")], width, height, top, cursor)
    assert len(rows) == height
    assert all(sum(cell_len(part) for part, _ in row) == width for row in rows)


# The numbers


class PageWire:
    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[dict[str, Any]] = []

    async def ask(self, method: str, route: str, **query: Any) -> Any:
        self.asked.append(query)
        return self.page


async def curves_of(page: Any, window: int = 60) -> Curves:
    curves = Curves(window)
    await curves.read(PageWire(page), ["a.b"])  # type: ignore[arg-type]
    return curves


async def test_the_past_is_placed_by_its_time() -> None:
    curves = await curves_of(history(points=60, a__b=list(range(60))))
    columns = curves.columns("a.b", 60, AT + 1)
    assert columns[-1] == (59.0, 59.0)
    assert columns[0] == (0.0, 0.0)
    assert curves.at("a.b", AT - 10) == (49.0, 49.0)


async def test_a_spike_survives_where_many_points_share_a_column() -> None:
    values: list[Any] = [10.0] * 60
    values[30] = (5.0, 99.0)
    curves = await curves_of(history(points=60, a__b=values))
    assert (5.0, 99.0) in curves.columns("a.b", 6, AT + 1)


async def test_points_that_are_rarer_than_columns_leave_no_holes_and_a_pause_does() -> None:
    curves = await curves_of(history(points=6, step=10, a__b=[1, 1, 1, None, None, 1]))
    columns = curves.columns("a.b", 60, AT + 1)
    known = [span is not None for span in columns]
    assert all(known[9:30])
    assert not any(known[30:59])


async def test_seconds_are_added_and_old_ones_forgotten() -> None:
    curves = await curves_of(history(points=0))
    for second in range(1000):
        curves.add(sample(gpu(0), at=AT + second), ["nvidia0.power"])
    assert curves.columns("nvidia0.power", 60, AT + 1000)[-1] == (310.0, 310.0)
    assert len(curves.times) < 200
    curves.add(sample(gpu(0, power=1.0), at=AT), ["nvidia0.power"])  # of the past: no news
    assert len(curves.times) == len(curves.series["nvidia0.power"])


def test_a_stale_reading_is_no_value() -> None:
    assert value_of(sample(gpu(0, stale=True)), "nvidia0.power") is None
    assert value_of(sample(gpu(0)), "nvidia7.power") is None
    assert value_of(sample(gpu(0), engine=None), "engine.speed") is None
    assert value_of(sample(gpu(0)), "host.cpu") == 23.0


# The lines


def test_a_gpu_with_everything() -> None:
    first, second = text(gpu_lines(gpu(0).model_dump(), 120, roomy=True))
    for told in ("GPU 0", "Imagined 0", "62 °C", "mem 78", "310/450 W", "45 %", "2520 MHz"):
        assert told in first
    for told in ("18.0 of 24.0 GiB", "87 %", "↓2.5 GB/s"):
        assert told in second


def test_what_is_not_known_is_called_so_and_hides_nothing_else() -> None:
    bare = gpu(0, memory_used=None, temperature=None, power=None, utilisation=None, fan=None,
               clock=None, pcie_generation=None, throttle=None, processes=None)  # fmt: skip
    lines = text(gpu_lines(bare.model_dump(), 100, roomy=False))
    assert len(lines) == 1
    assert "Imagined 0" in lines[0]
    assert "n/a" in lines[0]


def test_a_lost_gpu_says_what_to_do() -> None:
    lost = gpu(1, fault="lost from the bus", hint="Restart the machine.")
    (line,) = text(gpu_lines(lost.model_dump(), 100, roomy=True))
    assert "✗ lost from the bus Restart the machine." in line


def test_slowing_down_is_told_before_the_details() -> None:
    hot = gpu(0, throttle=["temperature"], temperature=91.0)
    assert "⚠ temperature" in text(gpu_lines(hot.model_dump(), 60, roomy=True))[0]


def test_the_engine() -> None:
    lines = text(engine_lines(ENGINE.model_dump(), 140))
    for told in ("42.1 tok/s", "812 tok/s", "2 of 4", "queue 2", "34 %", "71 %", "drafts 62 %"):
        assert told in lines[0]
    assert "16.0 weights + 3.0 context + 0.25 compute GiB" in lines[1]
    assert text(engine_lines(None, 80)) == ["engine  nothing is served"]


def test_no_device_is_left_out_of_what_the_engine_holds() -> None:
    second = DeviceSplit(device="GPU 1", weights=8 * GiB, context=GiB, compute=GiB // 4)
    engine = ENGINE.model_copy(update={"memory": [*ENGINE.memory, second]}).model_dump()
    assert "GPU 1 8.0 weights + 1.0 context" in text(engine_lines(engine, 120))[1]
    together = "holds   together 24.0 weights + 4.0 context + 0.50 compute GiB"
    assert text(engine_lines(engine, 78))[1] == together


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"slot_tokens": [0, 100, 16384, 32768]}, "slots ░▁▅█ 3 of 4"),
        ({"slot_tokens": [90_000, 0, 0, 0], "context": None}, "slots █░░░ 3 of 4"),
        ({"slot_tokens": []}, "slots ███░ 3 of 4"),
        ({"slot_tokens": [9] * 99, "slots": 99, "busy": 99}, f"slots {'▁' * 32} 99 of 99"),
        ({"slots": None}, "slots n/a"),
    ],
)
def test_slots_are_cells_as_high_as_they_are_full(told: dict[str, object], seen: str) -> None:
    engine = ENGINE.model_copy(update={"busy": 3, **told}).model_dump()
    assert seen in text(engine_lines(engine, 140))[0]


# The whole


@pytest.mark.parametrize("count", range(9))
@pytest.mark.parametrize("size", [(80, 20), (120, 36), (200, 56), (40, 8), (20, 3)])
def test_every_number_of_gpus_fits_every_screen(count: int, size: tuple[int, int]) -> None:
    width, height = size
    gpus = [gpu(index) for index in range(count)]
    for engine in (ENGINE, None):
        for processes in (True, False):
            told = sample(*gpus, engine=engine)
            shown = Shown(told, requests=[request(1)], end=AT, processes=processes)
            rows = board(shown, width, height)
            assert len(rows) <= height
            if height >= 20:
                whole = "\n".join(text(rows))
                assert all(f"GPU {index}" in whole for index in range(count))
                assert "GPU memory" in whole or not count
                assert "ago" in whole


def test_an_empty_reading_is_shown() -> None:
    rows = text(board(Shown(sample(host=HostSample(), engine=None), end=AT), 80, 20))
    assert any("n/a" in row for row in rows)
    assert board(Shown(), 80, 20)


def test_panels_are_those_that_the_machine_has() -> None:
    assert panels_for(sample())[0].title == "Tokens per second"
    assert panels_for(sample(gpu(0)))[0].title == "GPU memory"


# In the application


async def test_it_follows_and_can_be_read_back(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (board_module, panels_module):
        monkeypatch.setattr(module, "clock", lambda moment: f"T{int(moment - AT)}")
    studio.answers["/history"] = history(points=60, nvidia0__memory_used=[8 * GiB] * 60)
    studio.answers["/requests"] = [request(1), request(2, outcome="failed", speed=None)]
    async with opened(studio, size=(120, 40)) as look:
        await look.press("2")
        studio.tell("sample", sample(gpu(0), gpu(1, memory_used=9 * GiB)))
        await look.until("GPU 0 18.0 GiB")
        await look.until("chat/completions")
        await look.until("failed")
        await look.press("w")
        await look.until("15 min ago")
        await look.press("W", "W")
        await look.until("1 min ago")
        assert "▲" not in look.text
        told = {"seq": 1, "time": AT - 30, "kind": "loaded", "level": "info", "about": "glm"}
        studio.tell("mark", {**told, "text": "glm is ready", "over": False})
        studio.tell("sample", sample(gpu(0), gpu(1, memory_used=9 * GiB), at=AT + 1))
        await look.until("▲")
        await look.press("left", "left")
        await look.until("GPU memory at")
        await look.until("▲ T-30  glm is ready")
        await look.press("escape", "space")
        await look.until("paused at T1")
        studio.tell("sample", sample(gpu(0, memory_used=20 * GiB), at=AT + 5))
        await look.until("20.0 of 24.0 GiB")
        assert "paused at T1" in look.text
        await look.press("w")
        await look.until("5 min ago")
        route, asked = next(each for each in reversed(studio.queries) if each[0] == "/history")
        assert (float(asked["from"]), float(asked["to"])) == (AT + 1 - 300, AT + 1), route
        await look.press("p")
        await look.until("llama-server")
        await look.press("g")
        await look.until(lambda: look.text.index("GPU use") < look.text.index("Tokens per"))


async def test_what_is_read_at_a_moment_stays_there(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The curves hold while one reads them, and what came meanwhile is read afterwards."""
    monkeypatch.setattr(panels_module, "clock", lambda moment: f"T{int(moment - AT)}")
    studio.answers["/history"] = history(points=300, nvidia0__memory_used=[8 * GiB] * 300)
    async with opened(studio, size=(120, 40)) as look:
        await look.press("2")
        studio.tell("sample", sample(gpu(0)))
        await look.until("GPU memory  18.0 GiB")
        await look.press("left", "left", "left")
        await look.until("GPU memory at T-")
        (moment,) = {line.split(" at ")[1].split()[0] for line in look.lines if "memory at" in line}
        assert "8.0 GiB" in look.text
        asked = studio.count("/history")
        studio.tell("sample", sample(gpu(0, memory_used=20 * GiB), at=AT + 100))
        await look.until("20.0 of 24.0 GiB")
        assert f"GPU memory at {moment}" in look.text
        await look.press("right", "right", "right")
        await look.until(lambda: "GPU memory at" not in look.text)
        await look.until(lambda: studio.count("/history") > asked)


async def test_it_costs_nothing_while_it_is_not_seen(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("2")
        studio.tell("sample", sample(gpu(0)))
        await look.until("GPU 0")
        await look.press("1")
        asked = studio.count("/requests")
        pane = look.app.query_one("#pane-monitor")
        assert not pane.display
        studio.tell("sample", sample(gpu(0), at=AT + 1))
        await asyncio.sleep(0)
        await look.pilot.pause()
        assert studio.count("/requests") == asked


# Alerts, marks and gaps


def _alert(text: str, level: str = "warning") -> Mark:
    return Mark(seq=1, time=AT, kind="hot", level=level, about="nvidia0", text=text)


def test_alerts_that_hold_are_shown_the_gravest_first() -> None:
    alerts = [_alert(f"GPU {n} is hot") for n in range(3)] + [_alert("GPU 3 is lost", "error")]
    rows = text(board(Shown(sample(gpu(0), alerts=alerts), end=AT), 80, 24))
    shown = [row for row in rows if "⚠" in row]
    assert shown[0].startswith("⚠ GPU 3 is lost")
    assert shown[1].endswith("GPU 0 is hot  +2 more")


@pytest.mark.parametrize("width", [80, 120])
def test_the_figures_of_many_gpus_stand_below_each_other(width: int) -> None:
    """Whatever is missing of one, and however large they are."""
    gpus = [
        gpu(0), gpu(1, memory_used=9 * GiB, temperature=101.0), gpu(2, throttle=["temperature"]),
        gpu(3, memory_used=None, temperature=None, power=None, utilisation=None, clock=None),
        gpu(4, memory_total=192 * GiB, memory_used=188 * GiB, power=1000.0, power_limit=1000.0),
    ]  # fmt: skip
    rows = text(_now(sample(*gpus), width, 20))[:5]
    assert {row.index("°C") for row in rows} == {rows[0].index("°C")}
    assert {row.index(" W") for row in rows} == {rows[0].index(" W")}
    assert rows[3].count("n/a") == (5 if width > 100 else 4)
    assert "⚠" in rows[2]
    assert max(map(len, rows)) <= width


@pytest.mark.parametrize("ago", [0, 1, 59, 58, 30])
def test_what_happened_is_never_covered_by_words(ago: int) -> None:
    curves = Curves(window=60, marks=[Note(AT - ago - 0.5, "loaded", "info", "glm is ready")])
    axis = next(row for row in text(board(Shown(sample(gpu(0)), curves, end=AT), 80, 24))
                if "ago ─" in row)  # fmt: skip
    assert axis[min(int((60 - ago - 0.5) / 60 * 80), 79)] == "▲"
    assert "1 min ago" in axis
    assert " now" in axis
    assert len(axis) == 80


def test_the_mark_nearest_to_the_cursor_can_be_read() -> None:
    curves = Curves(window=60)
    curves.marks = [
        Note(AT - 50, "loaded", "info", "glm is ready"),
        Note(AT - 5, "hot", "warning", "GPU 0 is hot"),
        Note(AT - 500, "failed", "error", "too long ago"),
    ]
    shown = Shown(sample(gpu(0)), curves, end=AT, cursor=0.2)
    assert "glm is ready" in "\n".join(text(board(shown, 80, 24)))
    shown.cursor = 0.9
    assert "GPU 0 is hot" in "\n".join(text(board(shown, 80, 24)))
    shown.cursor = None
    assert "is hot" not in "\n".join(text(board(shown, 80, 24)))


def test_a_curve_has_a_gap_where_time_jumps() -> None:
    curves = Curves(window=60)
    for second in (*range(20), *range(40, 60)):
        curves.add(sample(gpu(0), at=AT + second), ["nvidia0.memory_used"])
    columns = curves.columns("nvidia0.memory_used", 60, AT + 60)
    gone = [at for at, span in enumerate(columns) if span is None]
    assert gone == list(range(20, 40))


def test_eight_gpus_with_alerts_fit_a_small_terminal() -> None:
    alerts = [_alert("GPU 1 is hot"), _alert("GPU 2 is hot")]
    rows = text(board(Shown(sample(*map(gpu, range(8)), alerts=alerts), end=AT), 80, 20))
    whole = "\n".join(rows)
    assert all(f"GPU {index} " in whole for index in range(8))
    assert "GPU memory  0 18.0  1 18.0" in whole
    assert "7 18.0" in whole
    for told in ("GPU 1 is hot", "42.1 tok/s", "cpu", "18.0 of 24.0 GiB"):
        assert told in whole
