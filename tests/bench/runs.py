"""Runs as they might have been measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llm_studio.bench.record import Facts, Figure, Point, Run, Score, Spread, Stamp, TaskOutcome


def speed_run(id_: str, speeds: Sequence[float], *, profile: str = "one", gap: float = 1.0) -> Run:
    spread, gaps = Spread.of(speeds), Spread.of([gap] * len(speeds))
    assert spread is not None
    assert gaps is not None
    measures = {"speed": spread, "gap_p95": gaps}
    points = [Point(kind="answer", prompt=8, answer=128, measures=measures)]
    return _run(id_, "speed", profile, points=points)


def coding_run(id_: str, right: Mapping[str, bool]) -> Run:
    tasks = [
        TaskOutcome(task=task, verdict="passed" if ok else "failed", base=ok, plus=ok)
        for task, ok in right.items()
    ]
    score = Score.counted(sum(right.values()), len(right))
    run = _run(id_, "humaneval", "one")
    return run.model_copy(update={"tasks": tasks, "scores": {"plus": score}})


def _run(id_: str, suite: str, profile: str, points: Sequence[Point] = ()) -> Run:
    return Run(
        id=f"20260101-000000-{id_}", suite=suite, profile=profile, state="done", started=1.0,
        ended=2.0, stamp=Stamp(studio="0", settings="s"), points=list(points),
    )  # fmt: skip


def figures_run(id_: str, losses: Sequence[float], *, tokens: str, data: str = "d") -> Run:
    middle = sum(losses) / len(losses)
    figure = Figure(value=middle, low=middle - 1, high=middle + 1, of=100, parts=list(losses))
    run = _run(id_, "perplexity", "one")
    settings: Facts = {"data sha256": data, "tokens sha256": tokens}
    figures = {"perplexity": figure, "bits per byte": figure}
    return run.model_copy(update={"figures": figures, "settings": settings})
