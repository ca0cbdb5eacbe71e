"""Benchmarks as jobs of a studio, on the embedded engine with a tiny model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from tests.conftest import Home

from llm_studio.bench.bench import Bench
from llm_studio.bench.perplexity.suite import PerplexitySuite
from llm_studio.bench.speed_suite import SpeedSuite
from llm_studio.engines.registry import create_engines
from llm_studio.errors import NotFound, NotReady
from llm_studio.settings import load_settings
from llm_studio.studio.jobs import Job
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
QUICK = SpeedSuite(quick=True, engine_alone=False)


@pytest.fixture
async def studio(home: Home) -> AsyncIterator[Studio]:
    home.model()
    for id_ in ("one", "two"):
        home.profile(
            id_,
            f'name = "{id_}"\n[model]\nfile = "tiny.gguf"\n[engine]\nkind = "process"\n'
            "[server]\ncontext = 1024\nparallel = 1\nthreads = 1\n",
        )
    settings = load_settings()
    studio = Studio(settings, create_engines(settings))
    await studio.start()
    yield studio
    for job in studio.stop():
        await studio.jobs.ended(job)
    await studio.close()


async def ended(studio: Studio, job: Job) -> Job:
    async with asyncio.timeout(50):
        return await studio.jobs.ended(job)


async def until(studio: Studio, phase: Phase, profile: str | None) -> None:
    async with asyncio.timeout(30):
        while (studio.store.state.phase, studio.store.state.profile) != (phase, profile):
            await studio.store.changed(studio.store.state.version, 5)


async def test_profiles_in_a_row_and_then_what_ran_before(studio: Studio) -> None:
    first = studio.switch("one")
    assert first is not None
    await ended(studio, first)
    bench = Bench(studio)
    job = await ended(studio, await bench.start(QUICK, ["two", "one"]))
    assert (job.state, job.error) == ("done", "")
    runs = bench.results.all()
    assert [(run.profile, run.state) for run in runs] == [("two", "done"), ("one", "done")]
    for run in runs:
        kinds = [point.kind for point in run.points]
        assert kinds[:3] == ["prompt", "prompt", "answer"]
        assert "users" in kinds
        cold, _, answer = run.points[:3]
        assert run.speed == answer.measures["speed"].median > 0
        engine = answer.measures["engine_speed"].median
        assert 0 < run.speed <= engine, "nothing is read faster than it was made"
        assert len(cold.measures["engine_prompt_speed"].values) == 3
        # Cold was cold, and warm was warm, as the engine tells: times may say otherwise here.
        assert [run.points[0].cache, run.points[1].cache] == ["cold", "warm"]
        assert not [note for note in run.notes if "cache" in note]
        assert re.match(r"b[1-9]\d+", run.stamp.build), "the wheel's server says b0-unknown"
        assert run.stamp.cores
        assert run.settings["context"] == 1024
    listed = await studio.profiles()
    summaries = {each.id: each.speed for each in listed if each.id in ("one", "two")}
    assert summaries == {"one": runs[1].speed, "two": runs[0].speed}
    await until(studio, Phase.READY, "one")


async def test_a_cancelled_benchmark_keeps_what_it_measured(studio: Studio) -> None:
    bench = Bench(studio)
    job = await bench.start(SpeedSuite(quick=False, engine_alone=False), ["two"])
    async with asyncio.timeout(40):
        while "answer of" not in job.message:
            await studio.jobs.changed(studio.jobs.version, 5)
    assert bench.under_way is not None
    partial = bench.under_way.told()
    assert (partial.job, partial.profile, partial.suite) == (job.id, "two", "speed")
    assert {point.kind for point in partial.points} == {"prompt"}
    studio.cancel(job.id)
    assert (await ended(studio, job)).state == "cancelled"
    (run,) = bench.results.all()
    assert (run.state, run.started) == ("cancelled", partial.started)
    assert not bench.under_way
    assert {point.kind for point in run.points} == {"prompt"}
    await until(studio, Phase.STOPPED, None)  # nothing ran before


async def test_what_cannot_be_measured_is_refused_at_once(studio: Studio) -> None:
    bench = Bench(studio)
    with pytest.raises(NotReady):
        await bench.start(QUICK, [])
    with pytest.raises(NotFound):
        await bench.start(QUICK, ["one", "nosuch"])
    assert not list(studio.jobs)


async def test_quality_is_measured_with_the_context_of_bench(studio: Studio, home: Home) -> None:
    text = (home.profiles / "one.toml").read_text()
    home.profile("one", f"{text}[bench]\ncontext = 512\n")
    first = studio.switch("one")
    assert first is not None
    await ended(studio, first)
    (home.root / "text.txt").write_text("many words of a text " * 10)
    suite = PerplexitySuite(file=home.root / "text.txt", windows=1, length=16, concurrency=1)
    bench = Bench(studio)
    job = await bench.start(suite, ["one"])
    async with asyncio.timeout(40):
        while (studio.store.state.phase, studio.store.state.detail) != (
            Phase.READY, "on trial: server.context = 512",
        ):  # fmt: skip
            await studio.store.changed(studio.store.state.version, 5)
    assert (await ended(studio, job)).error == ""
    run = bench.results.get("last")
    assert run.stamp.command[run.stamp.command.index("--ctx-size") + 1] == "512"
    assert any("server.context = 512" in note for note in run.notes)
    async with asyncio.timeout(40):  # what ran before runs again, as it is written
        while studio.trials or studio.store.state.phase is not Phase.READY:
            await studio.store.changed(studio.store.state.version, 5)
    running = studio.berths.main.supervisor.serving
    assert running is not None
    assert "1024" in running.command
    job = await ended(studio, await bench.start(QUICK, []))
    assert bench.results.get("last").settings["context"] == 1024


async def test_several_in_a_row_bring_back_what_ran_before_them_all(studio: Studio) -> None:
    first = studio.switch("one")
    assert first is not None
    await ended(studio, first)
    bench = Bench(studio)
    jobs = [await bench.start(QUICK, ["two"]) for _ in range(2)]
    for job in jobs:
        assert (await ended(studio, job)).error == ""
    assert [job.result["before"] for job in jobs] == ["one", "one"]
    await until(studio, Phase.READY, "one")
