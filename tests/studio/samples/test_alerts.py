"""What is told beside the curves: once when it begins, once when it ends, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.studio.scripted import House

from llm_studio.engines.base import Vitals
from llm_studio.schema import EngineSample, GpuSample, HostSample, Sample
from llm_studio.studio.log import Log
from llm_studio.studio.samples.alerts import HOLDS, Alerts, Limits
from llm_studio.studio.samples.changes import Changes
from llm_studio.studio.samples.marks import KEPT, Marks
from llm_studio.studio.serving.state import Phase

MiB = 1 << 20


class Watched:
    """Alerts that see one sample after the other."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.marks = Marks()
        self.log = Log()
        self.alerts = Alerts(limits or Limits(), self.marks, self.log)

    def see(
        self, times: int = HOLDS, *, notes: list[str] | None = None, running: int = 0, **gpu: Any
    ) -> list[tuple[str, str, bool]]:
        """What is told of samples in which a GPU is so."""
        before = self.marks.last
        for _ in range(times):
            told = GpuSample.model_validate({"id": "nvidia0", "kind": "nvidia", "index": 0} | gpu)
            engine = EngineSample(profile="p", running=running, waiting=1)
            self.alerts.look(
                Sample(seq=1, time=1.0, gpus=[told], host=HostSample(), engine=engine,
                       notes=notes or [])
            )  # fmt: skip
        return [(mark.kind, mark.about, mark.over) for mark in self.marks.since(before)]


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [
        ("hot", {"temperature": 87}, {"temperature": 80}),
        ("memory-hot", {"memory_temperature": 104}, {"memory_temperature": 90}),
        ("memory", {"memory_free": 50 * MiB}, {"memory_free": 900 * MiB}),
        ("throttled", {"throttle": ["temperature"]}, {"throttle": []}),
        ("throttled", {"throttle": ["power brake"]}, {"throttle": ["power limit"]}),
        ("gpu", {"fault": "The GPU is lost"}, {}),
    ],
)
def test_a_state_is_told_once_and_its_end_once(
    kind: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    watched = Watched()
    assert watched.see(**good) == []
    assert watched.see(**bad) == [(kind, "nvidia0", False)]
    assert watched.see(50, **bad) == []
    assert [(mark.kind, mark.about) for mark in watched.alerts.active] == [(kind, "nvidia0")]
    assert watched.see(**good) == [(kind, "nvidia0", True)]
    assert watched.see(50, **good) == []
    assert watched.alerts.active == []
    assert [line.level for line in watched.log.since(0).lines][1:] == ["info"]


def test_a_moment_is_no_alert() -> None:
    watched = Watched()
    assert watched.see(HOLDS - 1, temperature=99) == []
    assert watched.see(1, temperature=50) == []
    assert watched.see(HOLDS - 1, temperature=99) == []


def test_a_value_that_trembles_at_its_limit_is_told_once() -> None:
    watched = Watched()
    told = watched.see(temperature=88)
    for turn in range(40):
        told += watched.see(temperature=86 + turn % 2)
    assert told == [("hot", "nvidia0", False)]


def test_what_cannot_be_told_ends_nothing() -> None:
    watched = Watched()
    watched.see(temperature=95)
    assert watched.see(20, temperature=None) == []
    assert watched.see(20, temperature=20, stale=True) == []
    assert watched.see(temperature=20) == [("hot", "nvidia0", True)]


def test_the_power_limit_is_no_fault() -> None:
    assert Watched().see(20, throttle=["power limit", "display clocks"]) == []


def test_limits_are_set_and_may_be_none() -> None:
    none = Watched(Limits(0, 0, 0, 0))
    assert none.see(temperature=150, memory_temperature=150, memory_free=0, running=999) == []
    assert Watched(Limits(gpu_temperature=60)).see(temperature=61) == [("hot", "nvidia0", False)]


def test_a_burst_of_requests_and_its_end() -> None:
    watched = Watched(Limits(requests=8))
    assert watched.see(running=6) == []
    assert watched.see(running=7) == [("burst", "p", False)]
    assert watched.see(running=0) == [("burst", "p", True)]


def test_what_is_gone_is_over() -> None:
    """A GPU that was taken out is not hot, and a model that was unloaded has no requests."""
    watched = Watched()
    watched.see(running=40, temperature=90)
    assert [mark.kind for mark in watched.alerts.active] == ["hot", "burst"]
    nothing = Sample(seq=2, time=2.0, gpus=[], host=HostSample())
    for _ in range(HOLDS):  # while the driver fails, nobody knows how hot they are
        watched.alerts.look(nothing.model_copy(update={"notes": ["The driver is gone"]}))
    assert [mark.kind for mark in watched.alerts.active] == ["hot", "gpu"]
    for _ in range(HOLDS):
        watched.alerts.look(nothing)
    assert watched.alerts.active == []


def test_a_driver_that_fails_is_told_at_once() -> None:
    watched = Watched()
    assert watched.see(1, notes=["The NVIDIA driver was updated"]) == [("gpu", "driver", False)]
    assert watched.see(1) == [("gpu", "driver", True)]


# What models do


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def marked(house: House, *ids: str) -> list[tuple[str, str]]:
    marks = Marks()
    house.store.listen(Changes(marks).follow)
    for id_ in ids:
        if id_:
            await house.up(id_)
        else:
            job = house.supervisor.stop()
            assert job is not None
            await house.jobs.ended(job)
    return [(mark.kind, mark.about) for mark in marks]


@pytest.mark.anyio
async def test_models_that_come_and_go(tmp_path: Path) -> None:
    house = House(tmp_path)
    told = await marked(house, "a", "b", "", "b")
    assert told == [("loaded", "a"), ("switched", "b"), ("stopped", "b"), ("loaded", "b")]
    await house.close()


@pytest.mark.anyio
async def test_a_switch_that_fails_and_goes_back(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.engine.script["bad"] = ["dies"]
    assert await marked(house, "a", "bad") == [("loaded", "a"), ("failed", "bad"), ("loaded", "a")]
    await house.close()


@pytest.mark.anyio
async def test_a_crash_is_no_failure_to_load(tmp_path: Path) -> None:
    house = House(tmp_path)
    marks = Marks()
    house.store.listen(Changes(marks).follow)
    await house.up("a")
    house.engine.life("a").ended = Vitals(False, 139)
    await house.until(Phase.FAILED)
    assert [(mark.kind, mark.level) for mark in marks] == [("loaded", "info"), ("crashed", "error")]
    await house.close()


@pytest.mark.anyio
async def test_an_engine_that_served_on_is_not_told_as_loaded(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.up("a")
    marks = Marks()
    changes = Changes(marks)
    house.store.listen(changes.follow)
    engine = house.store.state.engine
    assert engine is not None
    house.store.replace(engine=replace(engine, adopted=True), phase=Phase.READY)
    await house.up("b")
    assert [mark.kind for mark in marks] == ["adopted", "switched"]
    await house.close()


# Marks


def test_marks_are_there_again_and_go_on_counting(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks.jsonl")
    marks.add("loaded", "a", "a is ready")
    marks.add("hot", "nvidia0", "\x1b[31mGPU", level="warning")
    with (tmp_path / "marks.jsonl").open("ab") as file:
        file.write(b'{"seq": 3, "ti')  # the studio died while it wrote
    again = Marks(tmp_path / "marks.jsonl")
    assert list(again) == list(marks)
    assert "\x1b" not in list(again)[1].text
    assert again.add("stopped", "a", "a was stopped").seq == 3
    assert [mark.kind for mark in again.since(1)] == ["hot", "stopped"]


def test_marks_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    marks = Marks(path)
    line = marks.add("hot", "a", "x").model_dump_json()
    lines = [line.replace('"seq":1', f'"seq":{number}') for number in range(1, KEPT * 3)]
    path.write_text("\n".join(lines) + "\n")
    again = Marks(path)
    assert len(list(again)) == KEPT
    assert again.last == KEPT * 3 - 1
    assert len(path.read_text().splitlines()) == KEPT
    for _ in range(KEPT + 5):  # and while the studio runs
        again.add("hot", "a", "x")
    assert len(path.read_text().splitlines()) < KEPT + 10


@pytest.mark.parametrize("damage", ["", "nonsense\n", "[]\n{}\n", "\0" * 100, "[" * 50_000])
def test_damaged_marks_are_forgotten(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(damage)
    marks = Marks(path)
    assert list(marks) == []
    assert marks.add("loaded", "a", "x").seq == 1


@pytest.mark.anyio
async def test_who_waits_for_a_mark_hears_of_it() -> None:
    marks = Marks()
    waiting = asyncio.create_task(marks.changed(0, 10))
    await asyncio.sleep(0)
    marks.add("loaded", "a", "x")
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(marks.changed(0, 10), 5)
