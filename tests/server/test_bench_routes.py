"""Benchmarks over the management API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.bench.runs import coding_run, speed_run
from tests.conftest import Home

from llm_studio.bench.lab.record import Lab, Labs, Variant
from llm_studio.bench.results import Results
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.measured import settings_of
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
        assert told.json()["seconds"] == seconds
    assert (await face.ask.get("/bench/nosuch")).status_code == 404


async def test_suites_are_offered_as_their_routes_take_them(face: Face) -> None:
    offers = {each["name"]: each for each in (await face.ask.get("/bench/suites")).json()}
    assert offers.keys() >= {"speed", "coding"}
    options = {each["name"]: each for each in offers["coding"]["options"]}
    assert (options["limit"]["form"], options["limit"]["least"]) == ("number", 0)
    assert options["file"]["form"] == "file"
    for name, offer in offers.items():  # what is offered is taken
        assert all(each["summary"] for each in offer["options"])
        body = {each["name"]: each["default"] for each in offer["options"]}
        answer = await face.ask.post(f"/bench/{name}", json={**body, "profiles": ["nosuch"]})
        assert answer.status_code == 404, answer.text


async def test_the_pane_is_told_what_it_shows(face: Face) -> None:
    run = coding_run("c-0003", {"a": True, "b": False})
    tasks = [task.model_copy(update={"answer": "long", "why": "x"}) for task in run.tasks]
    face.results.add(run.model_copy(update={"tasks": tasks}))
    face.results.add(speed_run("a-0001", [10, 10.1, 9.9, 10.2, 10]))
    slower = speed_run("b-0002", [8, 8.1, 7.9, 8.2, 8])
    stamp = slower.stamp.model_copy(update={"build": "b2"})
    face.results.add(slower.model_copy(update={"started": 5.0, "ended": 6.0, "stamp": stamp}))
    brief = (await face.ask.get("/bench/result/0003")).json()
    assert [(each["answer"], each["why"]) for each in brief["tasks"]] == [("", "x"), ("", "x")]
    (found,) = (await face.ask.get("/bench/regressions")).json()
    assert (found["run"][-4:], found["verdict"]) == ("0002", "worse")
    differing = await face.ask.get(
        "/bench/circumstances", params={"first": "0001", "second": "0002"}
    )
    assert "llama.cpp: none → b2" in differing.json()
    told = (await face.ask.get("/bench/estimates", params={"suite": "speed"})).json()
    assert [(each["profile"], each["seconds"]) for each in told] == [("one", 1.0)]
    names = {each["name"] for each in (await face.ask.get("/bench/measures")).json()}
    assert {"speed", "first_token"} <= names
    assert (await face.ask.get("/bench/running")).json() == []
    assert (await face.ask.get("/bench/result/nosuch")).status_code == 404


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
        ("perplexity", {"profiles": ["nosuch"]}, 404),
        ("tools", {"concurrency": 65}, 422),
        ("lab", {"profile": "nosuch", "grid": {"server.batch": [1]}}, 404),
        ("lab", {"profile": "one", "grid": {"server.batch": ["x"]}}, 422),
        ("lab", {"profile": "one", "grid": {"server.batch": list(range(1, 60))}}, 409),
        ("lab", {"profile": "one", "grid": {}}, 422),
    ],
)
async def test_what_cannot_be_measured(
    face: Face, home: Home, route: str, body: dict[str, object], status: int
) -> None:
    home.profile("one", 'name = "one"\n[model]\nfile = "tiny.gguf"\n')
    assert (await face.ask.post(f"/bench/{route}", json=body)).status_code == status
    assert not list(face.studio.jobs)


async def test_the_suites_tell_what_can_be_wished_of_them(face: Face) -> None:
    suites = {each["name"]: each for each in (await face.ask.get("/bench/suites")).json()}
    assert list(suites) == ["speed", "coding", "tools", "perplexity"]
    options = {each["name"]: each for each in suites["coding"]["options"]}
    assert options["file"]["form"] == "file"
    assert (options["concurrency"]["least"], options["concurrency"]["most"]) == (0, 64)
    for name, suite in suites.items():  # what is told is what the route takes
        body = {each["name"]: each["default"] for each in suite["options"]}
        told = await face.ask.post(f"/bench/{name}", json={**body, "profiles": ["nosuch"]})
        assert told.status_code == 404, told.text


async def test_a_lab_is_planned_shown_and_applied(face: Face, home: Home) -> None:
    path = home.profile("one", 'name = "one"\n[model]\nfile = "tiny.gguf"\n[server]\nbatch = 64\n')
    grid: dict[str, list[Any]] = {"server.batch": [64, 128, 256]}
    body = {"profile": "one", "grid": grid}
    plan = await face.ask.post("/bench/lab/plan", json=body)
    assert plan.json() == {"variants": 3, "measured": 0, "seconds": None}
    settings = settings_of(Catalogue.load(home.profiles).get("one"))
    usual, other = ([middle + n / 10 for n in range(7)] for middle in (10.0, 12.0))
    variants = [
        Variant(
            state="measured", seconds=60,
            run=speed_run("a-0", usual), again=speed_run("a-2", usual),
        ),
        Variant(
            changes={"server.batch": 128}, state="measured", seconds=60,
            run=speed_run("a-1", other), again=speed_run("a-3", other),
        ),
        Variant(changes={"server.batch": 256}),
    ]  # fmt: skip
    lab = Lab(
        id="20260101-000000-lab-one-00a1", profile="one", grid=grid, settings=settings,
        started=1.0, variants=variants,
    )  # fmt: skip
    Labs(home.state / "bench" / "labs").keep(lab)
    plan = await face.ask.post("/bench/lab/plan", json=body)
    assert plan.json() == {"variants": 3, "measured": 2, "seconds": 60.0}
    shown = (await face.ask.get("/bench/labs/one")).json()
    assert [(each["number"], each["verdict"]) for each in shown["places"]] == [
        (1, "best"), (0, "slower"),
    ]  # fmt: skip
    assert shown["winner"] == 1
    assert len((await face.ask.get("/bench/labs")).json()) == 1
    refused = await face.ask.post("/bench/labs/00a1/apply", json={"variant": 2})
    assert refused.status_code == 422
    applied = await face.ask.post("/bench/labs/00a1/apply", json={})
    assert applied.json() == {"profile": "one", "changes": {"server.batch": 128}}
    assert "batch = 128" in path.read_text()
    assert (await face.ask.post("/bench/labs/00a1/apply", json={})).status_code == 409
