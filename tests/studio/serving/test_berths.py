"""Engines beside each other: each with its own state, told apart by name, found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.studio.scripted import House, ScriptedEngine

from llm_studio.engines.base import EngineError, Running
from llm_studio.errors import NotFound
from llm_studio.studio.serving import berths, loading
from llm_studio.studio.serving.berths import Berth, Berths
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.serving.reception import Reception
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.serving.supervisor import Busy

pytestmark = pytest.mark.anyio


class Quay:
    """A main berth and those beside it, all with one scripted engine."""

    def __init__(self, folder: Path, engine: ScriptedEngine | None = None) -> None:
        self.folder = folder
        self.main = House(folder)
        self.main.engine = engine or self.main.engine
        self.main.supervisor = self.main.new_supervisor()
        self.houses = [self.main]
        self.berths = Berths(
            self._berth(self.main), self._new, folder / "beside.json", self.main.log
        )
        self.reception = Reception(
            self.main.desk,
            self.berths.desks,
            lambda name: name if name in ("a", "b", "c") else None,
        )

    def _new(self, id_: str) -> Berth:
        house = House(self.folder)
        house.engine, house.jobs = self.main.engine, self.main.jobs
        house.supervisor = house.new_supervisor()
        self.houses.append(house)
        return self._berth(house)

    def _berth(self, house: House) -> Berth:
        return Berth(house.store, house.desk, house.supervisor)

    async def up(self, id_: str, *, beside: bool = False) -> None:
        job = self.berths.switch(id_, beside=beside)
        if job is not None:
            await self.main.jobs.ended(job)
            assert job.state == "done"

    async def served(self, model: str) -> str:
        async with self.reception.lease(RequestRecord("/v1/x", "test", model=model)) as target:
            return target.profile

    async def close(self) -> None:
        await self.berths.close()
        await self.main.jobs.close()


@pytest.fixture
async def quay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quay]:
    monkeypatch.setattr(loading, "SLOW", 0.005)
    quay = Quay(tmp_path)
    yield quay
    await quay.close()


async def test_two_serve_and_requests_find_theirs(quay: Quay) -> None:
    await quay.up("a")
    await quay.up("b", beside=True)
    assert sorted(quay.main.engine.alive) == ["a", "b"]
    assert (await quay.served("a"), await quay.served("b")) == ("a", "b")
    assert await quay.served("") == "a"
    assert quay.main.store.state.profile == "a"
    assert quay.berths.beside["b"].store.state.phase is Phase.READY


async def test_a_switch_touches_the_main_one_alone(quay: Quay) -> None:
    await quay.up("a")
    await quay.up("b", beside=True)
    await quay.up("c")
    assert sorted(quay.main.engine.alive) == ["b", "c"]
    await quay.up("b")  # is served already
    assert sorted(quay.main.engine.alive) == ["b", "c"]
    await quay.up("c", beside=True)
    assert sorted(quay.main.engine.alive) == ["b", "c"]


async def test_one_is_stopped_or_all(quay: Quay) -> None:
    await quay.up("a")
    await quay.up("b", beside=True)
    for job in quay.berths.stop("b"):
        await quay.main.jobs.ended(job)
    assert quay.main.engine.alive == ["a"]
    with pytest.raises(NotFound):
        quay.berths.stop("b")
    await quay.up("b", beside=True)
    for job in quay.berths.stop():
        await quay.main.jobs.ended(job)
    assert quay.main.engine.alive == []


async def test_with_the_main_one_down_the_other_takes_what_names_nobody(quay: Quay) -> None:
    await quay.up("a")
    await quay.up("b", beside=True)
    for job in quay.berths.stop("a"):
        await quay.main.jobs.ended(job)
    assert await quay.served("") == "b"


async def test_one_loads_at_a_time_since_both_count_on_the_same_memory(quay: Quay) -> None:
    quay.main.engine.script["a"] = ["hangs"]
    quay.berths.switch("a")
    with pytest.raises(Busy, match="'a'"):
        quay.berths.switch("b", beside=True)


async def test_changes_beside_are_told_to_who_follows_the_main_state(quay: Quay) -> None:
    before = quay.main.store.state.version
    await quay.up("b", beside=True)
    assert quay.main.store.state.version > before
    assert quay.main.store.state.phase is Phase.STOPPED


async def test_the_next_studio_finds_each_in_its_place(quay: Quay) -> None:
    await quay.up("a")
    await quay.up("b", beside=True)
    await quay.berths.close()
    second = Quay(quay.folder, quay.main.engine)
    await second.berths.adopt({"scripted": quay.main.engine})
    assert second.main.store.state.profile == "a"
    assert second.berths.beside["b"].store.state.phase is Phase.READY
    assert (await second.served("a"), await second.served("b")) == ("a", "b")
    assert len(quay.main.engine.lives) == 2
    await second.close()


async def deaf_at_first(quay: Quay, monkeypatch: pytest.MonkeyPatch) -> Quay:
    """A studio that starts while Docker does not answer, where an earlier one left an engine."""
    await quay.up("a")
    await quay.berths.close()
    monkeypatch.setattr(berths, "ASK_AGAIN", (0.01, 0.01))
    second = Quay(quay.folder, quay.main.engine)
    engine = second.main.engine

    async def deaf() -> list[Running]:
        raise EngineError("Docker is not running")

    with monkeypatch.context() as patched:
        patched.setattr(engine, "running", deaf)
        await second.berths.adopt({"scripted": engine})
    assert second.main.store.state.phase is Phase.STOPPED
    return second


async def test_a_defect_of_one_engine_hides_no_other(quay: Quay, tmp_path: Path) -> None:
    class Defective(ScriptedEngine):
        kind = "a defective one"

        async def running(self) -> Sequence[Running]:
            raise ValueError("odd")

    await quay.up("a")
    await quay.berths.close()
    second = Quay(tmp_path / "second", quay.main.engine)
    await second.berths.adopt({"x": Defective(), "scripted": quay.main.engine})
    await second.main.until(Phase.READY, "a")
    told = [line.text for line in second.main.log.since(0).lines]
    assert "a defective one cannot be asked: ValueError: odd" in told
    await second.berths.close()
    await second.main.close()


async def test_an_engine_that_could_not_be_asked_is_asked_again(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await deaf_at_first(quay, monkeypatch)
    await second.main.until(Phase.READY, "a")
    assert len(second.main.engine.lives) == 1
    await second.close()


async def test_what_is_found_late_does_not_stay_beside_what_is_started(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await deaf_at_first(quay, monkeypatch)
    second.main.engine.script["b"] = ["hangs"]
    second.berths.switch("b")
    await second.berths.settle("scripted")
    await second.main.until(Phase.LOADING)
    assert second.main.engine.alive == ["b"]
    await second.close()


async def test_an_engine_that_does_not_answer_keeps_nobody_waiting(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is adopted meanwhile, and it later."""
    monkeypatch.setattr(berths, "PATIENCE", 0.05)
    await quay.up("a")
    await quay.berths.close()
    silent, answers = ScriptedEngine(), asyncio.Event()
    silent.kind = "docker"
    there = silent.running

    async def running() -> Sequence[Running]:
        await answers.wait()
        return await there()

    monkeypatch.setattr(silent, "running", running)
    second = Quay(quay.folder, quay.main.engine)
    began = time.monotonic()
    await second.berths.adopt({"docker": silent, "scripted": quay.main.engine})
    assert time.monotonic() - began < 2
    assert second.main.store.state.profile == "a"
    assert second.berths._unasked == {"docker": silent}
    answers.set()
    await second.berths.settle("docker")
    assert second.berths._unasked == {}
    await second.close()
