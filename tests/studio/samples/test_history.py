"""The history: nothing lost that matters, nothing grows, nothing breaks it."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.schema import Curve
from llm_studio.studio.samples.blocks import ROWS, Block, Damaged, Writing
from llm_studio.studio.samples.curves import curves
from llm_studio.studio.samples.history import SPANS, History
from llm_studio.studio.samples.tiers import Span

START = 1_800_000_000.0
SMALL = (Span(1, 1200), Span(10, 1200), Span(60, 1200))


def ask(
    history: History, start: float, end: float, resolution: float = 0.0
) -> tuple[float, list[float], dict[str, Curve]]:
    resolution, slices = history.slices(start, end, resolution)
    times, found = curves(slices, resolution, lambda name: True)
    return resolution, times, found


def fill(history: History, seconds: int, start: float = START) -> None:
    for second in range(seconds):
        history.add(start + second, {"gpu.power": float(second), "host.cpu": 5.0})


def test_seconds_are_told_as_they_were() -> None:
    history = History(None, SMALL)
    fill(history, 100)
    resolution, times, found = ask(history, START + 10, START + 20)
    assert (resolution, times) == (1, [START + second for second in range(10, 20)])
    assert found["gpu.power"].mean == [float(second) for second in range(10, 20)]
    assert found["gpu.power"].min == found["gpu.power"].max == found["gpu.power"].mean


@pytest.mark.parametrize("resolution", [10, 30, 60, 300])
def test_a_spike_of_a_second_shows_however_far_away(resolution: int) -> None:
    history = History(None, SMALL)
    for second in range(1200):
        spike = 450.0 if second == 777 else 100.0
        history.add(START + second, {"gpu.power": spike})
    told, times, found = ask(history, START, START + 1200, resolution)
    power = found["gpu.power"]
    assert told == resolution
    at = times.index(START + 777 - (START + 777) % resolution)
    assert power.max[at] == 450
    assert power.min[at] == 100
    assert power.mean[at] == pytest.approx(100 + 350 / resolution, abs=0.01)
    assert max(value for place, value in enumerate(power.max) if place != at and value) == 100


def test_far_back_it_is_coarser_and_still_there() -> None:
    history = History(None, (Span(1, ROWS), Span(10, ROWS), Span(60, ROWS)))
    fill(history, 20_000)
    assert ask(history, START + 19_900, START + 20_000)[0] == 1
    resolution, times, found = ask(history, START + 10_000, START + 10_600)
    assert (resolution, len(times)) == (60, 10)
    assert found["gpu.power"].max[0] == times[0] + 59 - START
    everything = ask(history, START, START + 20_000)
    assert everything[1][0] <= START + 60


def test_a_gap_is_a_gap() -> None:
    history = History(None, SMALL)
    fill(history, 20)
    fill(history, 20, START + 500)
    history.add(START + 520, {"host.cpu": 1.0})
    _, times, found = ask(history, START, START + 1000)
    assert len(times) == 41
    assert times[20] - times[19] == 481
    assert found["gpu.power"].mean[-1] is None
    assert found["host.cpu"].mean[-1] == 1.0


def test_series_come_and_go_without_an_end_of_blocks() -> None:
    """A GPU whose figures flicker must not make a file a second."""
    history = History(None, SMALL)
    for second in range(300):
        numbers = {"host.cpu": 1.0} | ({f"gpu{second % 3}.power": 2.0} if second % 2 else {})
        history.add(START + second, numbers)
    assert len(history.tiers[0]._blocks) <= 4
    assert (
        sum(value is not None for value in ask(history, START, START + 300)[2]["gpu0.power"].mean)
        == 50
    )


def test_memory_and_disk_are_bounded(tmp_path: Path) -> None:
    history = History(tmp_path, (Span(1, 1000), Span(10, 600), Span(60, 600)))
    sizes = []
    for turn in range(6):
        fill(history, 2000, START + turn * 2000)
        history.flush()
        history._pending.result(5)
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*.block")))
    held = sum(len(block.times) for block in history.tiers[0]._blocks)
    assert 1000 <= held < 1000 + 2 * ROWS
    assert sizes[-1] < 1.5 * sizes[2]
    history.close()


def test_it_is_there_again_after_a_restart(tmp_path: Path) -> None:
    history = History(tmp_path, SMALL)
    fill(history, 1234)
    before = [ask(history, START, START + 2000, resolution) for resolution in (1, 10, 60)]
    history.close()
    again = History(tmp_path, SMALL)
    again.load()
    after = [ask(again, START, START + 2000, resolution) for resolution in (1, 10, 60)]
    for (_, times, found), (_, times_after, found_after) in zip(before, after, strict=True):
        assert times == times_after
        assert found == found_after
    # What was under way goes on as if nothing had been.
    for second in range(1234, 1300):
        again.add(START + second, {"gpu.power": float(second), "host.cpu": 5.0})
    _, times, found = ask(again, START, START + 2000, 60)
    power = found["gpu.power"]
    whole = [i for i, time in enumerate(times) if START <= time <= START + 1200]
    assert all(power.max[i] == times[i] + 59 - START for i in whole)


def test_restarts_make_no_heap_of_files(tmp_path: Path) -> None:
    for turn in range(20):
        history = History(tmp_path, SMALL)
        history.load()
        fill(history, 5, START + turn * 5)
        history.close()
    assert len(list(tmp_path.rglob("*.block"))) <= 3
    again = History(tmp_path, SMALL)
    again.load()
    assert len(ask(again, START, START + 1000)[1]) == 100


def test_a_studio_that_is_killed_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    history = History(tmp_path, SMALL)
    fill(history, 50)
    history.flush()
    history._pending.result(5)
    fill(history, 7, START + 50)
    again = History(tmp_path, SMALL)  # the first was never closed
    again.load()
    assert len(ask(again, START, START + 1000)[1]) == 50


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "no head": lambda raw: raw[30:],
    "cut head": lambda raw: raw[:20],
    "cut row": lambda raw: raw[:-7],
    "zeros": lambda raw: b"\0" * len(raw),
    "flipped": lambda raw: raw[:300] + bytes([raw[300] ^ 0xFF]) + raw[301:],
    "zeros in the midst": lambda raw: raw[:300] + b"\0" * 100 + raw[400:],
    "more": lambda raw: raw + b"x" * 1000,
    "another version": lambda raw: raw.replace(b'"version":1', b'"version":9'),
    "nested": lambda raw: b"[" * 100_000 + b"\n",
    "no newline": lambda raw: b"{" + b" " * (2 << 20),
    "numbers as columns": lambda raw: b'{"version":1,"parts":1,"columns":[1,2]}\n' + raw,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_costs_itself_alone(tmp_path: Path, damage: str) -> None:
    history = History(tmp_path, SMALL)
    fill(history, ROWS * 2)
    history.close()
    files = sorted((tmp_path / "1s").glob("*.block"))
    assert len(files) == 2
    files[1].write_bytes(DAMAGES[damage](files[1].read_bytes()))
    again = History(tmp_path, SMALL)
    again.load()
    _, times, found = ask(again, START, START + ROWS * 2, 1)
    assert times[:ROWS] == [START + second for second in range(ROWS)]
    power = found["gpu.power"].mean
    assert all(value in (None, time - START) for time, value in zip(times, power, strict=True))
    fill(again, 10, START + 5000)
    again.close()
    third = History(tmp_path, SMALL)
    third.load()
    assert len(ask(third, START + 5000, START + 6000, 1)[1]) == 10
    assert ask(third, START, START + ROWS, 1)[1] == times[:ROWS]


@given(st.binary(max_size=400))
def test_whatever_is_in_a_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("block") / "0.block"
    head = b'{"version":1,"parts":3,"columns":["a","b"]}\n'
    path.write_bytes(content)
    with pytest.raises(Damaged):
        Block.read(path, 0, 3)
    path.write_bytes(head + content)
    block = Block.read(path, 0, 3)
    assert len(block.values) == len(block.times) * 6


def test_a_full_disk_costs_nothing_but_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails half-way through; when there is room again, everything is written."""
    told: list[str] = []
    history = History(tmp_path, SMALL, complain=told.append)
    fill(history, 20)
    history.flush()
    history._pending.result(5)
    real = os.pwrite

    def full(descriptor: int, content: bytes, offset: int) -> int:
        real(descriptor, content[:37], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for turn in range(3):
        fill(history, 10, START + 20 + turn * 10)
        history.flush()
        history._pending.result(5)
    history.flush()
    assert len(told) == 1
    assert "No space" in told[0]
    assert len(ask(history, START, START + 100)[1]) == 50
    monkeypatch.setattr(os, "pwrite", real)
    history.close()
    again = History(tmp_path, SMALL)
    again.load()
    assert ask(again, START, START + 100) == ask(history, START, START + 100)


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    history = History(None, SMALL)
    fill(history, 100)
    fill(history, 50, START - 5000)
    assert len(ask(history, START, START + 1000, 1)[1]) == 100
    assert ask(history, START - 6000, START - 4000, 1)[1][0] == START - 5000


def test_a_long_range_is_told_in_a_bounded_number_of_points() -> None:
    history = History(None, SPANS)
    fill(history, 3600)
    resolution, times, _ = ask(history, START - 90_000, START + 3600)
    assert resolution == 60
    assert len(times) <= 61


def test_many_curves_are_told_more_coarsely() -> None:
    history = History(None, SPANS)
    fill(history, 3600)
    assert history.names == {"gpu.power", "host.cpu"}
    assert history.slices(START, START + 3600, 1, 10)[0] == 2
    assert history.slices(START, START + 3600, 1, 500)[0] == 20


def test_an_empty_history_has_no_points(tmp_path: Path) -> None:
    history = History(tmp_path / "none", SMALL)
    history.load()
    assert ask(history, START, START + 100) == (1, [], {})
    history.close()


def test_rows_are_what_they_were(tmp_path: Path) -> None:
    block = Block(("a", "b"), 3, 0)
    block.add(START, {"a": (1.0, 2.0, 3.0)})
    block.add(START + 1, {"b": (4.0, 5.0, 6.0), "a": (7.0, 8.0, 9.0)})
    Writing(tmp_path / "x", block.head(), 0, block.unsaved()).do()
    read = Block.read(tmp_path / "x", 0, 3)
    assert list(read.rows()) == list(block.rows())
    assert math.isnan(read.values[3])
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
