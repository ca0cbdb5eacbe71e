"""Benchmarks as a studio tells of them: made of the real shapes, so that the two cannot part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.bench.coding.published import published
from llm_studio.bench.compare import LOWER_IS_BETTER, circumstances, compare
from llm_studio.bench.kinds import kinds
from llm_studio.bench.overview import summary_of
from llm_studio.bench.record import MEASURES, Point, Run, Score, Spread, Stamp, TaskOutcome
from llm_studio.bench.regressions import change, told_of
from llm_studio.bench.under_way import PartialRun
from llm_studio.server.bench_look_routes import suite_told

HOUR = 3600.0
AT = 1_767_225_600.0
"""Now."""
OFFERS = [suite_told(kind).model_dump(mode="json") for kind in kinds()]


def spread(value: float, *, width: float = 0.01, count: int = 5) -> Spread:
    return Spread(values=[value * (1 + width * (at - count // 2)) for at in range(count)])


def speed_points(speed: float) -> list[Point]:
    points = [
        Point(kind="answer", prompt=8, answer=128,
              measures={"speed": spread(speed), "gap_p95": spread(1000 / speed)}),
    ]  # fmt: skip
    for length in (128, 512, 2048, 8192):
        told = {"prompt_speed": spread(20 * speed - length / 50), "first_token": spread(0.2)}
        points.append(Point(kind="prompt", prompt=length, answer=8, measures=told))
    for depth in (2048, 8192, 32768):
        told = {"speed": spread(speed * (1 - depth / 100_000))}
        points.append(
            Point(kind="depth", depth=depth, prompt=512, answer=128, cache="warm", measures=told)
        )
    for users in (1, 2, 4):
        told = {"total_speed": spread(speed * users**0.7, count=3)}
        points.append(Point(kind="users", users=users, prompt=512, answer=128, measures=told))
    return points


def run(
    number: int, suite: str = "speed", profile: str = "alpha", *, age: float = HOUR,
    speed: float = 40.0, right: int = 0, of: int = 0, build: str = "b9000",
    model_file: str = "alpha.gguf", **values: Any,
) -> Run:  # fmt: skip
    begun = AT - age
    tasks = [
        TaskOutcome(task=f"Task/{at}", verdict="passed" if at < right else "failed",
                    base=at < right, plus=at < right, why="" if at < right else "input 3 of 9")
        for at in range(of)
    ]  # fmt: skip
    stamp = Stamp(
        studio="0.1", engine="docker", build=build, image="llama.cpp:cuda", settings="abc",
        image_id=f"sha256:{build}", model_file=model_file, gpus=["Imagined 24576 MiB"],
        driver="580.1", host="workstation", cpu="Imagined CPU", cores=16, memory=64 << 30,
    )  # fmt: skip
    given: dict[str, Any] = {
        "state": "done", "settings": {"quick": False, "context": 32768},
        "scores": {"pass@1 plus": Score.counted(right, of)} if of else {},
        "points": [] if of else speed_points(speed), "tasks": tasks,
    }  # fmt: skip
    return Run(
        id=f"20260101-{number:06}-{suite}-{profile}", suite=suite, profile=profile,
        name=f"The model {profile}", started=begun, ended=begun + 720, stamp=stamp,
        **{**given, **values},
    )  # fmt: skip


def partial(job: str, points: Sequence[Point], profile: str = "alpha", **values: Any) -> Any:
    given: dict[str, Any] = {
        "suite": "speed", "name": f"The model {profile}", "started": 5.0, "seconds": 9.0,
        "settings": {}, "tasks": 0, "scores": {}, "figures": {}, "notes": [],
    }  # fmt: skip
    return PartialRun(
        job=job, profile=profile, points=list(points), **{**given, **values}
    ).model_dump(mode="json")


def tell(studio: ScriptedStudio, *runs: Run, regressed: Mapping[int, int] | None = None) -> None:
    """Answer as a studio with these results; `regressed` names pairs, the later first."""
    answers = studio.answers
    answers["/bench"] = [summary_of(each).model_dump(mode="json") for each in runs]
    answers["/bench/suites"] = OFFERS
    answers["/bench/measures"] = [
        {"name": name, "title": title, "about": about, "lower_is_better": name in LOWER_IS_BETTER}
        for name, (title, about) in MEASURES.items()
    ]
    answers.setdefault("/bench/estimates", [])
    answers.setdefault("/bench/running", [])
    answers["/bench/regressions"] = [
        told.model_dump(mode="json")
        for later, earlier in (regressed or {}).items()
        if (told := change(runs[earlier], runs[later])) is not None
    ]
    for each in runs:
        answers[f"/bench/result/{each.id}"] = each.model_dump(mode="json")
        answers[f"/bench/published/{each.id}"] = [
            {"words": told.words, "url": told.url} for told in published(each)
        ]


def tell_comparison(studio: ScriptedStudio, first: Run, second: Run) -> None:
    found = [told_of(each).model_dump(mode="json") for each in compare(first, second)]
    studio.answers["/bench/compare"] = found
    studio.answers["/bench/circumstances"] = circumstances(first, second)
