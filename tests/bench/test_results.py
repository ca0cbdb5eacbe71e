from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.bench.runs import coding_run, speed_run
from tests.conftest import Home, Run

from llm_studio.bench.compare import circumstances, compare
from llm_studio.bench.report import report
from llm_studio.bench.results import Results
from llm_studio.errors import NotFound, StudioError, UsageError


def test_a_result_is_written_once(tmp_path: Path) -> None:
    results = Results(tmp_path)
    run = speed_run("a-0001", [1.0, 2.0])
    path = results.add(run)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="already"):
        results.add(run.model_copy(update={"profile": "other"}))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert results.get("0001") == results.get("one") == results.get("last") == run
    with pytest.raises(NotFound):
        results.get("nosuch")


def test_results_come_and_go_as_json(tmp_path: Path) -> None:
    here, there = Results(tmp_path / "a"), Results(tmp_path / "b")
    raw = here.add(speed_run("a-0001", [1.0, 2.0])).read_bytes()
    assert there.take_in(raw) == there.take_in(raw) == here.get("last")
    changed = json.loads(raw) | {"profile": "forged"}
    with pytest.raises(UsageError, match="already"):
        there.take_in(json.dumps(changed).encode())
    for bad in (b"", b"[]", b"{}", b"[" * 100_000, json.dumps(changed | {"id": "../x"}).encode()):
        with pytest.raises(UsageError):
            there.take_in(bad)


def test_what_is_no_number_or_time_is_not_taken_in(tmp_path: Path) -> None:
    told = json.loads(speed_run("a-0001", [1.0, 2.0]).model_dump_json())
    point = told["points"][0]
    for bad in ("NaN", "Infinity"):
        worse = point | {"measures": {"speed": {"values": [float(bad)]}}}
        with pytest.raises(UsageError, match="no result"):
            Results(tmp_path).take_in(json.dumps(told | {"points": [worse]}).encode())
    with pytest.raises(UsageError, match="no result"):
        Results(tmp_path).take_in(json.dumps(told | {"started": 1e300}).encode())


def test_a_full_disk_keeps_nothing_by_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llm_studio.bench.results.os.fsync", full)
    with pytest.raises(StudioError, match="Cannot keep"):
        Results(tmp_path).add(speed_run("a-0001", [1.0]))
    assert list(tmp_path.iterdir()) == []


def test_a_difference_is_told_only_where_it_is_none_of_chance() -> None:
    slow = speed_run("a", [10, 10.1, 9.9, 10.2, 10])
    fast = speed_run("b", [12, 12.1, 11.9, 12.2, 12], gap=2.0)
    assert {d.measure: d.verdict for d in compare(slow, fast)} == {
        "tok/s": "better", "gap p95 ms": "worse",
    }  # fmt: skip
    assert {d.verdict for d in compare(slow, slow)} == {"tie"}
    few = compare(speed_run("a", [10, 10, 10]), speed_run("b", [90, 90, 90]))
    assert few[0].verdict == "too few"


def test_what_else_was_different_is_told() -> None:
    first = speed_run("a", [10, 10.1, 9.9, 10.2])
    stamp = first.stamp.model_copy(update={"build": "b2"})
    loud = first.points[0].model_copy(update={"disturbed": ["a browser"]})
    second = first.model_copy(update={"stamp": stamp, "points": [loud]})
    assert circumstances(first, first) == []
    assert circumstances(first, second) == [
        "llama.cpp: none → b2", "the second was measured beside other load",
    ]  # fmt: skip


def test_runs_of_tasks_are_compared_task_by_task() -> None:
    first = coding_run("a", {f"t{n}": n >= 12 for n in range(40)})
    second = coding_run("b", {f"t{n}": True for n in range(40)})
    assert {d.verdict for d in compare(first, second)} == {"better"}
    close = coding_run("c", {f"t{n}": n >= 10 for n in range(40)})
    assert {d.verdict for d in compare(first, close)} == {"tie"}
    with pytest.raises(UsageError):
        compare(first, speed_run("d", [1.0]))


def test_a_report_holds_tables_and_no_foreign_markup() -> None:
    run = speed_run("a", [10, 10.1, 9.9, 10.2, 10])
    evil = run.model_copy(update={"name": "<script>|\x1b[31m", "notes": ["a | b"]})
    text = report([evil, speed_run("b", [12, 12.1, 11.9, 12.2, 12])])
    assert "| answer 128 | 10 ± 0.11 |" in text
    assert "<script" not in text
    assert "\x1b" not in text
    assert "better" in text


def test_commands_show_results_without_a_studio(home: Home, run: Run, tmp_path: Path) -> None:
    results = Results(home.state / "bench" / "results")
    results.add(speed_run("a-0001", [10, 10.1, 9.9, 10.2, 10]))
    results.add(speed_run("b-0002", [12, 12.1, 11.9, 12.2, 12]))
    listed = run("bench", "list", "--json").json
    assert [each["id"][-4:] for each in listed] == ["0001", "0002"]
    assert "12 ± 0.11" in run("bench", "show", "0002").out
    assert "better" in run("bench", "compare", "0001", "0002").out
    assert run("bench", "compare", "0001", "nosuch").code == 4
    target = tmp_path / "report.md"
    assert run("bench", "report", "0001", "--output", str(target)).code == 0
    assert target.read_text().startswith("# Benchmarks")
    assert len(run("bench", "export", str(tmp_path / "out")).out.splitlines()) == 2
    again = run("bench", "import", *map(str, (tmp_path / "out").glob("*.json")))
    assert again.code == 0
