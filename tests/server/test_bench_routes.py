"""Benchmarks over the management API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from tests.bench.runs import coding_run, speed_run
from tests.conftest import Home

from llm_studio.bench.results import Results
from llm_studio.server.access import Access
from llm_studio.server.api import create_api
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


@dataclass
class Face:
    ask: httpx.AsyncClient
    results: Results
    studio: Studio


@pytest.fixture
async def face(home: Home) -> AsyncIterator[Face]:
    studio = Studio(load_settings(), {})
    api = create_api(studio, shut_down=lambda: None)
    transport = httpx.ASGITransport(Access(api))
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as ask:
        yield Face(ask, Results(home.state / "bench" / "results"), studio)
    await studio.close()


async def test_results_are_listed_shown_compared_and_reported(face: Face) -> None:
    face.results.add(speed_run("a-0001", [10, 10.1, 9.9, 10.2, 10]))
    face.results.add(speed_run("b-0002", [12, 12.1, 11.9, 12.2, 12]))
    listed = (await face.ask.get("/bench")).json()
    assert [each["speed"] for each in listed] == [10, 12]
    assert (await face.ask.get("/bench/0002")).json()["points"][0]["answer"] == 128
    compared = await face.ask.get("/bench/compare", params={"first": "0001", "second": "0002"})
    assert compared.json()[0]["verdict"] == "better"
    report = await face.ask.get("/bench/report", params={"id": ["0001", "0002"]})
    assert report.text.startswith("# Benchmarks")
    for profile, seconds in (("one", 1.0), ("two", None)):
        told = await face.ask.get("/bench/estimate", params={"profile": profile})
        assert told.json() == {"seconds": seconds}
    assert (await face.ask.get("/bench/nosuch")).status_code == 404


async def test_a_result_is_taken_in_once(face: Face) -> None:
    raw = coding_run("c-0003", {"a": True, "b": False}).model_dump_json()
    for _ in range(2):
        taken = await face.ask.post("/bench/import", content=raw, headers=JSON)
        assert taken.json()["scores"] == {"plus": 0.5}
    assert (await face.ask.post("/bench/import", content=b"{}", headers=JSON)).status_code == 422
    assert len(face.results.all()) == 1


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("speed", {"profiles": ["nosuch"]}, 404),
        ("speed", {}, 409),
        ("speed", {"more": 1}, 422),
        ("coding", {"profiles": ["nosuch"]}, 404),
        ("coding", {"suite": "../x"}, 422),
        ("coding", {"limit": -1}, 422),
    ],
)
async def test_what_cannot_be_measured(
    face: Face, route: str, body: dict[str, object], status: int
) -> None:
    assert (await face.ask.post(f"/bench/{route}", json=body)).status_code == status
    assert not list(face.studio.jobs)
