"""Samples, history and marks over the API, and at the command line."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pynvml
import pytest
from tests.conftest import Home, Run
from tests.standins.nvml import FakeDriver
from tests.studio.scripted import ScriptedEngine

from llm_studio.cli import history as history_command
from llm_studio.schema import EngineSample, GpuSample, HostSample, Sample
from llm_studio.server.api import _events, create_api
from llm_studio.server.sample_metrics import sample_metrics
from llm_studio.settings import load_settings
from llm_studio.studio.samples import samples
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio


class Face:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        app = create_api(studio, shut_down=lambda: None)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://studio", timeout=20
        )

    async def get(self, route: str) -> Any:
        return (await self.client.get(route)).json()


@pytest.fixture
async def face(home: Home) -> AsyncIterator[Face]:
    engine = ScriptedEngine()
    studio = Studio(load_settings(), {"scripted": engine})
    face = Face(studio)
    await studio.start()
    yield face
    await face.client.aclose()
    await studio.close()


async def test_a_sample_of_this_machine(face: Face) -> None:
    sample = Sample.model_validate(await face.get("/samples"))
    assert sample.engine is None
    assert sample.host.memory_total
    assert abs(sample.time - time.time()) < 5


async def test_the_studio_sees_gpus_and_remembers_them(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything together: driver, its process (which is killed), history, alerts, a restart."""
    driver = FakeDriver(tmp_path / "driver")
    driver.say("count 2", "set power 200000", "set memory_used 1000 1")
    sources = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(sources / "app"), str(sources)]))
    for name, value in driver.environment.items():
        monkeypatch.setenv(name, value)
    studio = Studio(load_settings(), {})
    await studio.start()
    sampler = studio.samples.sampler

    async def until(holds: Callable[[Sample], bool]) -> Sample:
        found = await studio.samples.now()
        async with asyncio.timeout(20):
            while not holds(found):
                following = await sampler.next(found.seq, 5)
                assert following is not None
                found = following
        return found

    first = await until(lambda sample: len(sample.gpus) == 2)
    assert [gpu.power for gpu in first.gpus] == [200, 200]
    process = sampler._gpu_reader._process
    assert process is not None
    process.kill()
    await until(lambda sample: bool(sample.notes))
    driver.say("count 2", f"error * {pynvml.NVML_ERROR_GPU_IS_LOST} 1")
    await until(lambda sample: not sample.notes and bool(sample.gpus[1].fault))
    await studio.close()

    again = Studio(load_settings(), {})
    await again.start()
    page = await again.samples.past(time.time() - 60, time.time() + 60, 1, ["nvidia0.power"])
    assert 200 in page.series["nvidia0.power"].max
    begun = [(mark.kind, mark.about) for mark in page.marks if not mark.over]
    assert begun == [("gpu", "driver"), ("gpu", "nvidia1")]
    await again.close()


async def test_before_there_is_a_sample_it_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "FIRST_SAMPLE", 0.1)
    studio = Studio(load_settings(), {})
    face = Face(studio)
    answer = await face.client.get("/samples")
    assert (answer.status_code, answer.json()["title"]) == (409, "Nothing was sampled yet")
    await face.client.aclose()
    await studio.close()


def fill(studio: Studio, seconds: int = 60) -> float:
    """A minute with a spike in it, that ends now."""
    start = time.time() - seconds
    for second in range(seconds):
        power = 400.0 if second == 30 else 100.0
        studio.samples.history.add(start + second, {"nvidia0.power": power, "host.cpu": 9.0})
    return start


async def test_the_past_by_range_resolution_and_series(face: Face) -> None:
    start = fill(face.studio)
    face.studio.marks.add("hot", "nvidia0", "GPU 0 is hot", level="warning")
    page = await face.get("/history?from=-300&series=nvidia0.*")
    assert page["resolution"] == 1
    assert list(page["series"]) == ["nvidia0.power"]
    assert max(page["series"]["nvidia0.power"]["max"]) == 400
    assert {"host.cpu", "nvidia0.power"} <= set(page["known"])
    assert [mark["kind"] for mark in page["marks"]] == ["hot"]
    page = await face.get(f"/history?from={start + 10}&to={start + 20}&series=host.cpu")
    assert page["series"]["host.cpu"]["mean"] == [9.0] * 10
    page = await face.get("/history?from=-300&resolution=60&series=nvidia0.power")
    assert (page["resolution"], len(page["times"]) <= 2) == (60, True)
    assert max(page["series"]["nvidia0.power"]["max"]) == 400


@pytest.mark.parametrize(
    "query",
    ["from=x", "from=nan", "from=1e300", "to=-1e9", "from=-5&to=-10", "resolution=-1",
     "resolution=nan", "series=" + "x" * 3000],
)  # fmt: skip
async def test_a_range_that_is_none(face: Face, query: str) -> None:
    answer = await face.client.get(f"/history?{query}")
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["title"]


async def test_events_tell_marks_and_alerts_and_resume_after_them(face: Face) -> None:
    events = _events(face.studio, "")
    assert (await anext(events)).event == "status"
    face.studio.marks.add("loaded", "p", "p is ready")
    first = await asyncio.wait_for(anext(events), 5)
    assert (first.event, json.loads(first.data or "")["text"]) == ("mark", "p is ready")
    face.studio.marks.add("hot", "nvidia0", "GPU 0 is hot", level="warning")
    resumed = _events(face.studio, str(first.id))
    second = await asyncio.wait_for(anext(resumed), 5)
    assert (second.event, json.loads(second.data or "")["about"]) == ("alert", "nvidia0")


@pytest.mark.parametrize(
    "id_", ["", "5", "1.2", "9999999.1.1", "1.1.99999", "x.y.z", "²", "-1.-1.-1"]
)
async def test_whatever_number_somebody_comes_back_with(face: Face, id_: str) -> None:
    face.studio.marks.add("loaded", "p", "p is ready")
    face.studio.store.replace(detail="x")
    events = _events(face.studio, id_)
    face.studio.store.replace(detail="news")
    assert (await asyncio.wait_for(anext(events), 5)).event in ("status", "mark")


async def test_samples_are_events_only_for_those_who_ask(face: Face) -> None:
    asked = _events(face.studio, "", samples=True)
    kinds = set()
    async with asyncio.timeout(10):
        while "sample" not in kinds:
            kinds.add((await anext(asked)).event)
    plain = _events(face.studio, "")
    assert (await anext(plain)).event == "status"
    waiting = asyncio.ensure_future(anext(plain))
    assert face.studio.samples.sampler.latest is not None
    await face.studio.samples.sampler.next(face.studio.samples.sampler.latest.seq, 5)
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_prometheus_gets_what_is_known(face: Face) -> None:
    """Also who asks only now and then, when nothing is sampled in between."""
    text = (await face.client.get("/metrics")).text
    assert "\nllm_studio_host_memory_total_bytes " in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


def test_gauges_of_gpus_and_engines() -> None:
    odd = 'RTX "9"\\\n'
    gpu = GpuSample(id="nvidia0", kind="nvidia", index=0, name=odd, power=99.5)
    stale = GpuSample(id="nvidia1", kind="nvidia", index=1, power=5, stale=True)
    lost = GpuSample(id="nvidia2", kind="nvidia", index=2, fault="lost")
    engine = EngineSample(profile="p", speed=12.5)
    sample = Sample(seq=1, time=1, gpus=[gpu, stale, lost], host=HostSample(), engine=engine)
    lines = list(sample_metrics(sample))
    assert r'llm_studio_gpu_power_watts{gpu="nvidia0",uuid="",name="RTX \"9\"\\\n"} 99.5' in lines
    assert 'llm_studio_engine_tokens_per_second{profile="p"} 12.5' in lines
    assert not [line for line in lines if "nvidia1" in line and "gpu_power" in line]
    ups = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("llm_studio_gpu_up{")]
    assert ups == ["1", "1", "0"]
    assert not [line for line in lines if "temperature" in line], "what is not known is no zero"
    assert list(sample_metrics(None)) == []


class Recorded:
    """A studio that tells a minute of history."""

    def __init__(self) -> None:
        self.asked = ""

    def ask(self, method: str, route: str, timeout: float = 0) -> Any:
        self.asked = unquote(route)
        curve = {"min": [90.0, None], "mean": [100.0, None], "max": [450.25, None]}
        size = {"min": [1e9, 2e9], "mean": [1e9, 2e9], "max": [1e9, 2e9]}
        mark = {"time": 1.8e9, "level": "warning", "text": "GPU 0 is hot\x1b[2J"}
        return {
            "resolution": 10.0, "times": [1.8e9, 1.8e9 + 10], "marks": [mark],
            "series": {"nvidia0.power": curve, "nvidia0.memory_used": size}, "known": [],
        }  # fmt: skip


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    studio = Recorded()
    monkeypatch.setattr(history_command, "connect", lambda: studio)
    return studio


def test_history_for_people(run: Run, recorded: Recorded) -> None:
    told = run("history", "--since", "6h", "--resolution", "10s", "nvidia0.*", "host.cpu")
    assert told.code == 0
    assert recorded.asked == "/history?from=-21600&resolution=10&series=nvidia0.*,host.cpu"
    assert "nvidia0.power\t90.0\t100.0\t450.2\t100.0" in told.out
    assert "1.9 GiB" in told.out
    assert "GPU 0 is hot" in told.out
    assert "\x1b" not in told.out


def test_history_for_programs(run: Run, recorded: Recorded) -> None:
    assert run("history", "--json").json["resolution"] == 10
    rows = list(csv.reader(io.StringIO(run("history", "--csv").out)))
    assert rows[0][:4] == ["time", "nvidia0.power.min", "nvidia0.power.mean", "nvidia0.power.max"]
    assert rows[1][:4] == ["1800000000.0", "90.0", "100.0", "450.25"]
    assert rows[2][1:4] == ["", "", ""]


@pytest.mark.parametrize("since", ["", "5", "h", "-5m", "5x", "1e9s"])
def test_a_time_that_is_none(run: Run, recorded: Recorded, since: str) -> None:
    told = run("history", f"--since={since}")
    assert told.code == 2
    assert "90s" in told.err
