"""Coding benchmarks whole: a scripted model, the real sandbox, a studio with its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.bench.coding_tasks import RIGHT, WRONG, fenced, model, write_tasks
from tests.bench.sandboxes import require_sandbox
from tests.conftest import Home
from tests.standins.scripted_upstream import ScriptedUpstream

from llm_studio.bench.bench import Bench
from llm_studio.bench.coding import suite as coding
from llm_studio.bench.coding import truth
from llm_studio.bench.coding.suite import CodingSuite, Wish
from llm_studio.bench.record import Run, TaskOutcome
from llm_studio.engines.registry import create_engines
from llm_studio.settings import load_settings
from llm_studio.studio.jobs import Job
from llm_studio.studio.studio import Studio

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def studio(home: Home) -> AsyncIterator[Studio]:
    require_sandbox()
    studio = Studio(load_settings(), create_engines(load_settings()))
    yield studio
    for job in studio.stop():
        await studio.jobs.ended(job)
    await studio.close()


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "SHORTEST", 0.3)
    monkeypatch.setattr(coding, "PAUSE", 0.01)


def wish(home: Home, **more: Any) -> CodingSuite:
    file = write_tasks(home.root / "own.jsonl.gz")
    return CodingSuite(Wish("own", file, home.state / "bench" / "unfinished", "test", **more))


async def start(studio: Studio, home: Home, server: ScriptedUpstream, **more: Any) -> Job:
    home.profile(
        "far",
        f'name = "far"\n[engine]\nkind = "external"\nurl = "http://127.0.0.1:{server.port}"\n',
    )
    return await Bench(studio).start(wish(home, **more), ["far"])


async def finished(studio: Studio, job: Job) -> Run:
    async with asyncio.timeout(50):
        await studio.jobs.ended(job)
    assert (job.state, job.error) == ("done", "")
    return Bench(studio).results.get("last")


def by_task(run: Run) -> dict[str, TaskOutcome]:
    return {task.task: task for task in run.tasks}


async def test_right_answers_pass_however_they_come(studio: Studio, home: Home) -> None:
    answers = {
        "Own/0": fenced(RIGHT["Own/0"]),
        "Own/1": {"content": f"<think>hm</think>{RIGHT['Own/1']}"},
        "Own/2": {**fenced(RIGHT["Own/2"]), "reasoning_content": "long thoughts"},
    }
    async with ScriptedUpstream(model(lambda id_, _: (200, dict(answers[id_])))) as server:
        run = await finished(studio, await start(studio, home, server, concurrency=3))
    tasks = by_task(run)
    assert {task.verdict for task in run.tasks} == {"passed"}
    assert [tasks[id_].thought for id_ in RIGHT] == ["", "hm", "long thoughts"]
    assert [tasks[id_].extracted for id_ in RIGHT] == ["fenced", "bare", "fenced"]
    score = run.scores["pass@1 plus"]
    assert (score.right, score.of, score.low < score.share) == (3, 3, True)
    body = server.seen[-1].body
    assert b'"temperature": 0' in body.replace(b":0", b": 0")
    assert not list((home.state / "bench" / "unfinished").glob("*"))


async def test_wrong_slow_and_malicious_answers_fail(studio: Studio, home: Home) -> None:
    async with ScriptedUpstream(model(lambda id_, _: (200, fenced(WRONG[id_])))) as server:
        run = await finished(studio, await start(studio, home, server))
    tasks = by_task(run)
    assert [(tasks[i].verdict, tasks[i].base) for i in RIGHT] == [
        ("failed", True), ("timeout", False), ("failed", False),
    ]  # fmt: skip
    assert (run.scores["pass@1 base"].right, run.scores["pass@1 plus"].right) == (1, 0)


async def test_what_is_not_the_models_fault_is_no_wrong_answer(studio: Studio, home: Home) -> None:
    def answer(id_: str, before: int) -> tuple[int, dict[str, Any]]:
        if id_ == "Own/0":
            return (503 if before < 2 else 200), fenced(RIGHT[id_])
        if id_ == "Own/1":
            return 500, {"content": ""}
        return 200, {"content": "Let me", "finish": "length"}

    async with ScriptedUpstream(model(answer)) as server:
        run = await finished(studio, await start(studio, home, server))
    tasks = by_task(run)
    assert (tasks["Own/0"].verdict, tasks["Own/0"].attempts) == ("passed", 3)
    assert (tasks["Own/1"].verdict, tasks["Own/1"].attempts) == ("error", 3)
    assert (tasks["Own/2"].verdict, tasks["Own/2"].truncated) == ("unanswered", True)
    assert run.scores["pass@1 plus"].of == 2
    assert run.settings["truncated answers"] == 1
    assert any("not valid" in note for note in run.notes)


async def test_an_interrupted_run_goes_on_where_it_was(studio: Studio, home: Home) -> None:
    holds, asked = asyncio.Event(), []

    def answer(id_: str, _: int) -> tuple[int, dict[str, Any]]:
        asked.append(id_)
        return 200, fenced(RIGHT[id_])

    scripted = model(answer)

    async def script(wire: Any) -> None:
        if b"def pairs" in wire.seen.body and not holds.is_set():
            await holds.wait()
        await scripted(wire)

    async with ScriptedUpstream(script) as server:
        job = await start(studio, home, server)
        async with asyncio.timeout(30):
            while not job.message.startswith("2 of 3"):
                await studio.jobs.changed(studio.jobs.version, 5)
        studio.cancel(job.id)
        await studio.jobs.ended(job)
        partial = Bench(studio).results.get("last")
        assert (partial.state, len(partial.tasks)) == ("cancelled", 2)
        holds.set()
        asked.clear()
        run = await finished(studio, await start(studio, home, server))
    assert asked == ["Own/2"]
    assert {task.verdict for task in run.tasks} == {"passed"}
    assert any("earlier run" in note for note in run.notes)


async def test_without_a_sandbox_nothing_is_asked_nor_run(
    studio: Studio, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    async with ScriptedUpstream(model(lambda *_: (200, {}))) as server:
        with pytest.raises(Exception, match="cannot be run safely"):
            await start(studio, home, server)
        assert not server.seen
