"""Which engines the sampler learns of, with the processes that they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.conftest import Home
from tests.studio.scripted import ScriptedEngine, ScriptedHealth

from llm_studio.engines.base import EngineError, Running, Vitals
from llm_studio.settings import load_settings
from llm_studio.studio.samples.served import ServedEngines
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio


class WithProcess(ScriptedEngine):
    """An engine that tells its process; the first time it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.known = asyncio.Event()

    async def vitals(self, running: Running) -> Vitals:
        self.asked += 1
        if not self.known.is_set():
            raise EngineError("Docker does not answer")
        return Vitals(True, pid=4711)


@pytest.fixture
async def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def studio(home: Home, engine: ScriptedEngine) -> AsyncIterator[Studio]:
    home.model()
    for id_ in ("one", "two"):
        home.profile(id_, f'name = "{id_}"\n[model]\nfile = "tiny.gguf"\n')
    engines = {"process": engine, "scripted": engine}
    studio = Studio(load_settings(), engines, ScriptedHealth(engine))
    yield studio
    await studio.close()


async def up(studio: Studio, id_: str, *, beside: bool = False) -> None:
    job = studio.switch(id_, beside=beside)
    assert job is not None
    await studio.jobs.ended(job)
    assert job.state == "done", job.error


async def test_every_berth_and_the_main_one_first(studio: Studio, engine: ScriptedEngine) -> None:
    serving = ServedEngines(studio.berths, studio.engines)
    assert serving() == []
    await up(studio, "one")
    await up(studio, "two", beside=True)
    found = serving()
    assert [(each.profile, each.main, each.ready) for each in found] == [
        ("one", True, True),
        ("two", False, True),
    ]
    assert len({each.instance for each in found}) == 2
    assert all(each.slots for each in found)
    await serving.close()


async def test_a_process_is_asked_for_in_the_background(
    studio: Studio, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await up(studio, "one")
    slow = WithProcess()
    monkeypatch.setattr("llm_studio.studio.samples.served.ASK_AGAIN", 0.0)
    serving = ServedEngines(studio.berths, {"scripted": slow, "process": slow})
    assert [each.pid for each in serving()] == [0]
    async with asyncio.timeout(5):
        while slow.asked < 2:
            assert [each.pid for each in serving()] == [0]
            await asyncio.sleep(0)
        slow.known.set()
        while serving()[0].pid != 4711:
            await asyncio.sleep(0)
    asked = slow.asked
    assert serving()[0].pid == 4711
    await asyncio.sleep(0)
    assert slow.asked <= asked + 1, "what is known is not asked again"
    await serving.close()


async def test_a_model_is_marked_and_the_sampler_woken(studio: Studio) -> None:
    await studio.start()
    await up(studio, "one")
    sample = await studio.samples.now()
    assert sample.engine is not None
    assert sample.engine.profile == "one"
    assert [mark.kind for mark in studio.marks] == ["loaded"]
