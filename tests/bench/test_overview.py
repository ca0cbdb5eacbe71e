"""Results at a glance, what a run will take, and what a new image made worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.bench.runs import coding_run, speed_run

from llm_studio.bench.estimate import estimate, estimates
from llm_studio.bench.overview import Known, Overview, headline, known_of
from llm_studio.bench.record import Run, Spread
from llm_studio.bench.regressions import Change, Regressions, change, forerunner
from llm_studio.bench.results import Results

FAST = [10.0, 10.1, 9.9, 10.2, 10.05]
SLOW = [8.0, 8.1, 7.9, 8.2, 8.05]


def varied(run: Run, *, build: str = "b1", started: float = 1.0, **values: Any) -> Run:
    stamp = run.stamp.model_copy(update={"build": build})
    return run.model_copy(
        update={"stamp": stamp, "started": started, "ended": started + 60, **values}
    )


# At a glance


def test_a_result_is_read_once_and_one_that_is_gone_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path)
    overview = Overview(results)
    path = results.add(speed_run("a-0001", FAST))
    (tmp_path / "broken.json").write_text("{")
    assert [each.summary.result for each in overview.all()] == ["10.1 tok/s"]
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda self: read.append(self.name) or whole(self)  # type: ignore[func-returns-value]
    )  # fmt: skip
    results.add(speed_run("b-0002", SLOW))
    assert len(overview.all()) == 2
    assert path.name not in read
    path.unlink()
    assert [each.run.id[-4:] for each in overview.all()] == ["0002"]


def test_what_is_remembered_has_no_bulk() -> None:
    run = coding_run("a-0001", {"x": True, "y": False})
    known = known_of(run)
    assert (known.run.tasks, known.run.points) == ([], [])
    assert known.summary.scores == {"plus": 0.5}
    low, high = known.summary.intervals["plus"]
    assert 0 < low < 0.5 < high < 1
    assert headline(run).startswith("50.0% (")


# What it will take


def known(*runs: Run) -> list[Known]:
    return [known_of(run) for run in runs]


def test_an_estimate_is_what_the_last_such_run_took() -> None:
    first = varied(speed_run("a-0001", FAST), started=0)
    quick = varied(speed_run("b-0002", FAST), started=100, settings={"quick": True}, ended=107.0)
    cut = varied(speed_run("c-0003", FAST), started=200, state="cancelled", ended=201.0)
    runs = known(first, quick, cut)
    assert estimate(runs, "speed", "one").seconds == 60
    assert estimate(runs, "speed", "one", quick=True).seconds == 7
    never = estimate(known(first), "speed", "one", quick=True)
    assert (never.seconds, never.basis) == (None, "only full ones were done")
    assert estimate(runs, "speed", "two").seconds is None
    assert [each.profile for each in estimates(runs, "speed")] == ["one"]
    assert estimates(runs, "humaneval") == []


def test_tasks_are_scaled_and_an_interrupted_run_counts_whole() -> None:
    run = coding_run("a-0001", dict.fromkeys("abcd", True))
    tasks = [task.model_copy(update={"seconds": 50.0}) for task in run.tasks]
    settings = {"tasks": 4, "requests at a time": 2}
    resumed = run.model_copy(update={"tasks": tasks, "settings": settings})
    assert estimate(known(resumed), "humaneval", "one").seconds == 100
    assert estimate(known(resumed), "humaneval", "one", limit=1).seconds == 25
    more = resumed.model_copy(update={"profile": "two", "settings": {**settings, "tasks": 40}})
    assert estimate(known(more, resumed), "humaneval", "one").seconds == 1000


# Regressions


def told(first: Run, second: Run) -> Change:
    found = change(first, second)
    assert found is not None
    return found


def test_a_slower_image_is_found_and_what_changed_is_told() -> None:
    before = varied(speed_run("a-0001", FAST))
    found = told(before, varied(speed_run("b-0002", SLOW), build="b2"))
    assert (found.verdict, found.sure) == ("worse", True)
    assert [(each.measure, each.second) for each in found.worse] == [("tok/s", 8.05)]
    assert "llama.cpp: b1 → b2" in found.changed


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [
        (SLOW[::-1], "worse"),
        (FAST[::-1], "no worse"),
        ([each * 1.3 for each in FAST], "no worse"),
        ([each * 0.98 for each in FAST], "no worse"),  # sure, and too little to matter
        (SLOW[:3], "too few"),
    ],
)
def test_only_a_sure_and_grave_loss_is_a_regression(speeds: list[float], verdict: str) -> None:
    steady = [10.0, 10.001, 10.002, 10.003, 10.004]
    before = varied(speed_run("a-0001", FAST if speeds[0] > 9.9 else steady))
    assert told(before, varied(speed_run("b-0002", speeds), build="b2")).verdict == verdict


def test_one_unlucky_figure_among_several_is_no_regression() -> None:
    """Chance parts one of four figures as far as this in one of eight comparisons."""
    spread = Spread(values=FAST)
    before, after = (varied(speed_run(f"{name}-0001", FAST)) for name in "ab")

    def with_depths(run: Run, prompt: list[float]) -> Run:
        depth = run.points[0].model_copy(
            update={"kind": "depth", "depth": 2048, "measures": {
                "speed": spread, "prompt_speed": Spread(values=prompt)}}
        )  # fmt: skip
        cold = run.points[0].model_copy(
            update={"kind": "prompt", "prompt": 512, "measures": {"prompt_speed": spread}}
        )
        return run.model_copy(update={"points": [*run.points, cold, depth]})

    unlucky = [9.0, 9.2, 9.8, 10.0, 9.6]
    found = told(with_depths(before, FAST), with_depths(after, unlucky))
    assert found.verdict == "no worse"


def test_a_run_beside_other_load_is_no_sure_one() -> None:
    after = varied(speed_run("b-0002", SLOW), build="b2")
    busy = [point.model_copy(update={"disturbed": ["load"]}) for point in after.points]
    found = told(varied(speed_run("a-0001", FAST)), after.model_copy(update={"points": busy}))
    assert (found.verdict, found.sure) == ("worse", False)


def test_worse_answers_are_a_regression() -> None:
    names = [f"t{at}" for at in range(30)]
    before = coding_run("a-0001", dict.fromkeys(names, True))
    after = varied(coding_run("b-0002", {name: at > 9 for at, name in enumerate(names)}))
    found = told(before, after)
    assert found.verdict == "worse"
    assert {each.measure for each in found.worse} == {"pass@1 base", "pass@1 plus"}


def test_a_forerunner_is_the_last_of_the_same_under_another_build() -> None:
    old, older = (varied(speed_run(f"{n}-0001", FAST), build=b) for n, b in ("ab", "ba"))
    same = varied(speed_run("c-0001", FAST), build="b2")
    now = varied(speed_run("d-0001", FAST), build="b2")
    assert forerunner(now, [older, old, same]) is old
    assert forerunner(now, [same]) is None
    cancelled = old.model_copy(update={"state": "cancelled"})
    elsewhere = old.model_copy(update={"stamp": old.stamp.model_copy(update={"host": "other"})})
    smaller = old.model_copy(update={"stamp": old.stamp.model_copy(update={"settings": "t"})})
    quick = old.model_copy(update={"settings": {"quick": True}})
    other = old.model_copy(update={"profile": "two"})
    assert forerunner(now, [cancelled, elsewhere, smaller, quick, other]) is None


def test_all_results_are_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path)
    for at, (speeds, build) in enumerate([(FAST, "b1"), (SLOW, "b2"), (SLOW, "b2")]):
        results.add(varied(speed_run(f"a-000{at}", speeds), build=build, started=float(at)))
    regressions = Regressions(results, Overview(results))
    found = regressions.all()
    assert [(each.run[-4:], each.against[-4:], each.verdict) for each in found] == [
        ("0001", "0000", "worse"), ("0002", "0000", "worse"),
    ]  # fmt: skip
    monkeypatch.setattr(Results, "get", lambda *_: pytest.fail("read again"))
    assert regressions.all() == found
