"""The settings lab: its grid and its ranking, and whole labs on the embedded engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.bench.runs import speed_run
from tests.conftest import Home

from llm_studio.bench.bench import Bench
from llm_studio.bench.lab import lab as lab_module
from llm_studio.bench.lab.grid import require_modest, variants_of
from llm_studio.bench.lab.lab import Laboratory, Wish
from llm_studio.bench.lab.ranking import candidate, ranking, winner
from llm_studio.bench.lab.record import Lab, Variant
from llm_studio.bench.record import Point, Spread
from llm_studio.bench.suite import Bout
from llm_studio.cli.bench_lab import assignment
from llm_studio.engines.registry import create_engines
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.settings import load_settings
from llm_studio.studio.jobs import Job
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
PROFILE = """\
name = "one"  # mine
[model]
file = "tiny.gguf"
[engine]
kind = "process"
[server]
context = 1024
parallel = 1
threads = 1
batch = 512  # as always
"""


def lab_of(*speeds: Sequence[float] | None) -> Lab:
    variants = [
        Variant(changes={"server.batch": number} if number else {}, state="failed", why="no")
        if values is None
        else Variant(
            changes={"server.batch": number} if number else {}, state="measured",
            run=speed_run(f"a-{number}", values),
        )
        for number, values in enumerate(speeds)
    ]  # fmt: skip
    return Lab(
        id="20260101-000000-lab-one-0001", profile="one", grid={}, started=1.0, variants=variants
    )


def around(middle: float) -> list[float]:
    return [middle + step for step in (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)]


def test_the_ranking_calls_ties_ties() -> None:
    lab = lab_of(around(10), around(12), None, around(11.9), around(8))
    places = ranking(lab, "speed")
    assert [each.number for each in places] == [1, 3, 0, 4]
    assert [each.verdict for each in places] == ["best", "tie", "slower", "slower"]
    assert places[0].ratio == pytest.approx(1.2)
    best = candidate(places)
    assert best is not None
    assert best.number == 1
    assert candidate(ranking(lab_of(around(10), around(10.05)), "speed")) is None
    assert candidate(ranking(lab_of(around(10), around(9)), "speed")) is None
    assert ranking(lab_of([1, 1, 1], [2, 2, 2]), "speed")[1].verdict == "too few"
    assert ranking(lab_of(None), "speed") == []
    assert ranking(lab, "total_speed") == []


def test_many_variants_need_more_than_one_lucky_one() -> None:
    """What parts two variants is a tie where it is the luckiest of many."""
    near = [10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6]
    lucky = [each + 0.27 for each in near]
    assert ranking(lab_of(near, lucky), "speed")[1].verdict == "slower"
    assert ranking(lab_of(near, *([near] * 12), lucky), "speed")[1].verdict == "tie"


@pytest.mark.parametrize(
    ("usual", "other", "wins"), [(10, 12, True), (12, 10, False), (11, 11.01, False)]
)
def test_a_winner_wins_twice(usual: float, other: float, wins: bool) -> None:
    lab = lab_of(around(10), around(12))
    assert winner(lab, "speed") is None  # it was measured but once
    again = [speed_run("a", around(usual)), speed_run("b", around(other))]
    variants = [
        each.model_copy(update={"again": run})
        for each, run in zip(lab.variants, again, strict=True)
    ]
    found = winner(lab.model_copy(update={"variants": variants}), "speed")
    assert (found is not None) == wins


@pytest.fixture
def entry(home: Home) -> Entry:
    home.profile("one", PROFILE)
    return Catalogue.load(home.profiles).get("one")


def test_a_grid_is_all_combinations_that_differ(entry: Entry) -> None:
    found = variants_of(entry, {"server.batch": [256, 512], "server.ubatch": [128, None]})
    assert [each.changes for each in found] == [
        {},
        {"server.batch": 256, "server.ubatch": 128},
        {"server.batch": 256},
        {"server.ubatch": 128},
    ]


@pytest.mark.parametrize(
    ("grid", "why"),
    [
        ({"server.bathc": [1]}, "No profile has"),
        ({"server.batch": ["many"]}, "cannot be so"),
        ({"server.batch": [512]}, "has these values already"),
        ({"sampling.temperature": [1.0]}, "no part in the speed"),
        ({"server.batch": list(range(1, 30)), "server.ubatch": list(range(1, 30))}, "more than"),
        ({}, "nothing to try"),
    ],
)
def test_absurd_grids_are_refused(entry: Entry, grid: dict[str, list[Any]], why: str) -> None:
    with pytest.raises(StudioError, match=why):
        variants_of(entry, grid)


def test_what_takes_long_wants_a_yes() -> None:
    require_modest(24, 60)
    with pytest.raises(NotReady, match="25 variants"):
        require_modest(25, None)
    with pytest.raises(NotReady, match="8 hours"):
        require_modest(8, 3600)


def test_values_as_they_are_typed() -> None:
    assert assignment("server.batch=256,512") == ("server.batch", [256, 512])
    assert assignment("server.cache_type_k=f16, q8_0") == ("server.cache_type_k", ["f16", "q8_0"])
    assert assignment("server.tensor_split=[3,1],[1,1]")[1] == [[3, 1], [1, 1]]
    for word in ("server.batch", "server.batch=", "=3"):
        with pytest.raises(UsageError):
            assignment(word)


class Scripted:
    """A suite whose speed is that of the batch size; the engine below it is real."""

    name, title, own_context = "speed", "Speed", True

    def __init__(self, **_: Any) -> None:
        self.gate = GATE

    async def prepare(self) -> None: ...

    async def run(self, bout: Bout) -> None:
        running = bout.studio.berths.main.supervisor.serving
        assert running is not None
        size = int(running.command[running.command.index("--batch-size") + 1])
        MEASURED.append(size)
        spread = Spread.of(around(size / 10))
        assert spread is not None
        bout.points.append(Point(kind="answer", answer=64, measures={"speed": spread}))
        bout.told("measuring", 0.5)
        if len(MEASURED) == 2:
            await self.gate.wait()


GATE = asyncio.Event()
MEASURED: list[int] = []


@pytest.fixture
async def studio(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    global GATE
    GATE = asyncio.Event()
    MEASURED.clear()
    monkeypatch.setattr(lab_module, "SpeedSuite", Scripted)
    home.model()
    home.profile("one", PROFILE)
    home.profile("two", PROFILE.replace('"one"', '"two"'))
    studio = Studio(load_settings(), create_engines(load_settings()))
    await studio.start()
    yield studio
    for job in studio.stop():
        await studio.jobs.ended(job)
    await studio.close()


async def ended(studio: Studio, job: Job) -> Job:
    async with asyncio.timeout(50):
        return await studio.jobs.ended(job)


async def served(studio: Studio, profile: str) -> Sequence[str]:
    async with asyncio.timeout(30):
        while (studio.store.state.phase, studio.store.state.profile) != (Phase.READY, profile):
            await studio.store.changed(studio.store.state.version, 5)
    running = studio.berths.main.supervisor.serving
    assert running is not None
    return running.command


GRID: dict[str, Sequence[Any]] = {
    "server.batch": [256, 1024],
    "server.cache_type_v": ["f16", "q4_0"],
    "server.flash_attention": ["off"],
}


async def test_a_lab_goes_on_ranks_applies_and_leaves_things_as_they_were(
    studio: Studio, home: Home
) -> None:
    first = studio.switch("two")
    assert first is not None
    await ended(studio, first)
    laboratory = Laboratory(studio, Bench(studio))
    wish = Wish("one", GRID, apply=True)
    job = await laboratory.start(wish)
    async with asyncio.timeout(40):
        while len(MEASURED) < 2:
            await studio.jobs.changed(studio.jobs.version, 5)
    assert studio.store.state.detail.startswith("on trial: server.batch = 256")
    studio.cancel(job.id)
    assert (await ended(studio, job)).state == "cancelled"
    await served(studio, "two")
    (lab,) = laboratory.labs.all()
    assert [each.state for each in lab.variants] == ["measured", *["waiting"] * 4]
    GATE.set()
    plan = laboratory.plan(wish)
    assert (plan.goes_on, plan.lab.done) == (True, 1)
    assert plan.seconds is not None
    job = await ended(studio, await laboratory.start(wish))
    assert (job.state, job.error) == ("done", "")
    # What was measured before is not measured anew; in the end the winner is, beside the usual.
    assert MEASURED == [512, 256, 256, 1024, 512, 1024]
    lab = laboratory.labs.get("one")
    assert [each.state for each in lab.variants] == [
        "measured", "measured", "failed", "measured", "failed",
    ]  # fmt: skip
    assert lab.variants[2].why
    assert job.result["winner"] == 3
    text = (home.profiles / "one.toml").read_text()
    assert "# mine" in text
    assert "batch = 1024  # as always" in text
    assert 'flash_attention = "off"' in text
    command = await served(studio, "two")
    assert command[command.index("--batch-size") + 1] == "512"
    assert studio.trials == {}
    with pytest.raises(NotReady, match="changed since"):
        laboratory.apply(lab, 1)
    # The lab left the results of benchmarks, and the speeds that listings show, alone.
    assert not laboratory._bench.results.all()
    assert not Path(home.state / "bench" / "speeds.json").exists()
