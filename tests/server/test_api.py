"""The management API: its routes, its truth, its locks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.conftest import Home
from tests.studio.scripted import ScriptedEngine, ScriptedHealth

from llm_studio.schema import GpuProcess, GpuSample, HostSample, Sample
from llm_studio.server.access import MAX_BODY, Access
from llm_studio.server.api import create_api
from llm_studio.server.security import LOOPBACK
from llm_studio.settings import load_settings
from llm_studio.studio.serving import loading
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.serving.supervisor import Supervisor
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
TOKEN = "t" * 40
PORT = 8081


class Face:
    """The API of a studio over a scripted engine, asked as over TCP or as over the socket."""

    def __init__(self, studio: Studio, engine: ScriptedEngine) -> None:
        self.studio = studio
        self.engine = engine
        self.ended = asyncio.Event()
        api = create_api(studio, shut_down=self.ended.set)
        self.api = api
        public = httpx.ASGITransport(Access(api, token=TOKEN, hosts=LOOPBACK))
        private = httpx.ASGITransport(Access(api))
        self.tcp = httpx.AsyncClient(transport=public, base_url=f"http://127.0.0.1:{PORT}")
        self.socket = httpx.AsyncClient(transport=private, base_url="http://studio")

    async def until(self, phase: Phase) -> None:
        async with asyncio.timeout(10):
            while self.studio.store.state.phase is not phase:
                await self.studio.store.changed(self.studio.store.state.version, 5)


@pytest.fixture
async def face(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Face]:
    monkeypatch.setattr(loading, "SLOW", 0.005)
    home.model()
    for id_ in ("one", "two"):
        home.profile(id_, f'name = "{id_}"\n[model]\nfile = "tiny.gguf"\n')
    home.profile("bad", "nonsense")
    engine = ScriptedEngine()
    engines = {"process": engine, "scripted": engine}
    studio = Studio(load_settings(), engines, ScriptedHealth(engine))
    face = Face(studio, engine)
    yield face
    await face.tcp.aclose()
    await face.socket.aclose()
    await studio.close()


async def test_models_and_status(face: Face) -> None:
    models = {m["id"]: m for m in (await face.tcp.get("/models")).json()["models"]}
    assert models["one"]["state"] == "available"
    assert models["bad"]["state"] == "broken"
    assert models["bad"]["problems"]
    status = (await face.tcp.get("/status")).json()
    assert (status["state"], status["profile"], status["engine"]) == ("stopped", None, None)
    assert status["studio"]["pid"]


async def test_switch_answers_202_with_a_job_and_200_once_it_is_active(face: Face) -> None:
    answer = await face.socket.post("/switch", json={"model": "one"})
    assert answer.status_code == 202
    job = answer.json()["job"]
    done = (await face.socket.get(f"/jobs/{job['id']}?wait=true")).json()
    assert done["state"] == "done"
    again = await face.socket.post("/switch", json={"model": "one"})
    assert (again.status_code, again.json()["job"]) == (200, None)
    models = (await face.tcp.get("/models")).json()["models"]
    assert next(m for m in models if m["id"] == "one")["state"] == "ready"


async def test_switch_may_wait_and_tells_the_truth(face: Face) -> None:
    good = await face.socket.post("/switch?wait=true", json={"model": "one"})
    assert (good.status_code, good.json()["state"]) == (200, "ready")
    face.engine.script["two"] = ["dies"]
    bad = await face.socket.post("/switch?wait=true", json={"model": "two"})
    assert (bad.status_code, bad.json()["success"]) == (502, False)
    assert bad.json()["job"]["error"]
    status = (await face.socket.get("/status")).json()
    assert (status["profile"], status["failure"]["exit_code"]) == ("one", 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nosuch"}, 404),
        ({"model": "../../etc/passwd"}, 404),
        ({"model": "one\0"}, 404),
        ({}, 422),
        ({"model": 5}, 422),
        ({"model": ""}, 422),
        ({"model": "one", "more": 1}, 422),
        ([], 422),
    ],
)
async def test_what_cannot_be_switched_to(face: Face, body: Any, status: int) -> None:
    answer = await face.socket.post("/switch", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


async def test_another_switch_meanwhile_is_409_and_names_the_first(face: Face) -> None:
    face.engine.script["one"] = ["hangs"]
    first = (await face.socket.post("/switch", json={"model": "one"})).json()["job"]["id"]
    same = await face.socket.post("/switch", json={"model": "one"})
    assert (same.status_code, same.json()["job"]["id"]) == (202, first)
    other = await face.socket.post("/switch", json={"model": "two"})
    assert other.status_code == 409
    assert (other.json()["model"], other.json()["job"]) == ("one", first)
    cancelled = await face.socket.post(f"/jobs/{first}/cancel")
    assert cancelled.status_code == 200
    await face.until(Phase.STOPPED)


async def test_stop_and_the_names_of_the_router(face: Face) -> None:
    await face.socket.post("/models/load", json={"model": "one"})
    await face.until(Phase.READY)
    stopped = await face.socket.post("/stop?wait=true")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")
    assert (await face.socket.post("/models/unload")).status_code == 200


async def test_logs_by_number(face: Face) -> None:
    for number in range(5):
        face.studio.log.add(f"line {number}")
    page = (await face.tcp.get("/logs?since=0&limit=3")).json()
    assert [line["text"] for line in page["lines"]] == ["line 0", "line 1", "line 2"]
    assert (await face.tcp.get(f"/logs?since={page['last']}")).json()["lines"][0]["seq"] == 4


async def test_a_line_is_explained_and_loads_and_requests_are_found(face: Face) -> None:
    log = face.studio.log
    log.extend([("srv load_model: loading model '/m'", "info", 0.0)], source="engine")
    log.extend([("slot: id  0 | task 7 | processing task", "info", 0.0)] * 1500, source="engine")
    log.add("srv load_model: loading model, says somebody who is no engine")
    told = (await face.tcp.get("/logs/1/explained")).json()
    assert (told["kind"], told["what"]) == ("stage", "A start, stage 3 of 5: loading model")
    assert (await face.tcp.get(f"/logs/{log.last}/explained")).json()["what"] == ""
    assert (await face.tcp.get(f"/logs/{log.last + 1}/explained")).status_code == 404
    for query, seq in (("load", 1), ("request", 1501), ("request&before=1000", 999)):
        found = await face.tcp.get(f"/logs/landmark?what={query}")
        assert found.json() == {"seq": seq}
    assert (await face.tcp.get("/logs/landmark?what=load&before=1")).json() == {"seq": None}


async def test_a_number_of_an_earlier_studio_begins_the_log_anew(face: Face) -> None:
    face.studio.log.add("the first line")
    page = (await face.tcp.get("/logs?since=1000000&wait=30")).json()
    assert "the first line" in [line["text"] for line in page["lines"]]


async def test_a_full_disk_is_told_before_anything_is_stopped(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    await face.socket.post("/switch?wait=true", json={"model": "one"})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    told = (await face.socket.post("/switch?wait=true", json={"model": "two"})).json()
    assert (told["success"], told["state"]) == (False, "ready")
    assert "disk is full" in told["job"]["error"]
    assert face.engine.alive == ["one"]


async def test_events_begin_with_the_present_and_resume(face: Face) -> None:
    from llm_studio.server.api import _events

    first = await anext(_events(face.studio, ""))
    assert first.event == "status"
    assert json.loads(first.data or "")["state"] == "stopped"
    resumed = _events(face.studio, str(first.id))
    waiting = asyncio.ensure_future(anext(resumed))
    face.studio.store.replace(detail="news")
    assert json.loads((await asyncio.wait_for(waiting, 5)).data or "")["detail"] == "news"


async def test_metrics_are_what_prometheus_reads(face: Face) -> None:
    text = (await face.tcp.get("/metrics")).text
    assert 'llm_studio_state{state="stopped"} 1' in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


async def test_the_document_and_its_page(face: Face) -> None:
    document = (await face.tcp.get("/openapi.json")).json()
    assert {
        "/models",
        "/status",
        "/switch",
        "/stop",
        "/events",
        "/logs",
        "/jobs",
        "/metrics",
    } <= set(document["paths"])
    page = (await face.tcp.get("/docs")).text
    assert "/switch" in page
    assert "http://" not in page.replace("http://127", "")


async def test_shutdown(face: Face) -> None:
    assert (await face.socket.post("/shutdown")).status_code == 200
    await asyncio.wait_for(face.ended.wait(), 5)


READ = ("GET", "/status", None)
WRITE = ("POST", "/switch", {"model": "one"})
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("request_", "headers", "status"),
    [
        (READ, {}, 200),
        (READ, {"Host": "localhost:8081"}, 200),
        (READ, {"Host": "evil.example:8081"}, 421),
        (READ, {"Host": "127.0.0.1:9999"}, 200),
        (READ, {"Host": "10.0.0.1:8081"}, 421),
        (READ, {"Origin": "http://evil.example"}, 403),
        (READ, {"Origin": "null"}, 403),
        (READ, {"Sec-Fetch-Site": "cross-site"}, 403),
        (WRITE, {}, 401),
        (WRITE, {"Authorization": "Bearer wrong"}, 401),
        (WRITE, {"Authorization": f"Basic {TOKEN}"}, 401),
        (WRITE, GOOD, 202),
        (WRITE, {"X-Api-Key": TOKEN}, 202),
        (WRITE, {**GOOD, "Origin": "http://evil.example"}, 403),
        (WRITE, {**GOOD, "Content-Type": "text/plain"}, 415),
    ],
)
async def test_who_may_do_what_over_tcp(
    face: Face, request_: tuple[str, str, Any], headers: dict[str, str], status: int
) -> None:
    method, route, body = request_
    content = json.dumps(body) if body else None
    sent = {"Content-Type": "application/json", **headers} if body else headers
    answer = await face.tcp.request(method, route, content=content, headers=sent)
    assert answer.status_code == status


async def test_a_body_of_unknown_length_must_be_json_too(face: Face) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"model": "one"}'

    for kind, status in (("text/plain", 415), ("application/json", 202)):
        headers = {**GOOD, "Content-Type": kind}
        answer = await face.tcp.post("/switch", content=body(), headers=headers)
        assert answer.status_code == status


async def test_every_writing_route_needs_the_token(face: Face) -> None:
    document = face.api.openapi()
    for path, methods in document["paths"].items():
        for method in methods:
            if method != "get":
                answer = await face.tcp.request(method, path.replace("{id_}", "x"))
                assert answer.status_code == 401, path


async def test_bodies_are_bounded(face: Face) -> None:
    big = json.dumps({"model": "x" * (MAX_BODY + 1)})
    answer = await face.tcp.post(
        "/switch", content=big, headers={**GOOD, "Content-Type": "application/json"}
    )
    assert answer.status_code == 413


async def test_a_defect_shows_no_insides(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face.studio, "status", lambda: 1 / 0)
    app = Access(face.api)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
        answer = await client.get("/status")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text


async def test_where_others_can_reach_it_even_reading_needs_the_token(face: Face) -> None:
    app = Access(face.api, token=TOKEN, hosts=LOOPBACK | {"box.lan"}, away=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get("http://10.0.0.1:8081/status")).status_code == 401
        assert (await client.get("http://10.0.0.1:8081/status", headers=GOOD)).status_code == 200
        assert (await client.get("http://box.lan/status", headers=GOOD)).status_code == 200
        assert (await client.get("http://evil.example/status", headers=GOOD)).status_code == 421


async def test_a_second_profile_beside_the_first(face: Face) -> None:
    for body in ({"model": "one"}, {"model": "two", "beside": True}):
        answer = await face.socket.post("/switch?wait=true", json=body)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
    status = (await face.tcp.get("/status")).json()
    assert (status["profile"], [each["profile"] for each in status["beside"]]) == ("one", ["two"])
    models = {m["id"]: m["state"] for m in (await face.tcp.get("/models")).json()["models"]}
    assert (models["one"], models["two"]) == ("ready", "ready")
    assert (await face.socket.post("/stop?model=two&wait=true")).status_code == 200
    assert (await face.tcp.get("/status")).json()["beside"] == []
    assert (await face.socket.post("/stop?model=two")).status_code == 404
    assert face.engine.alive == ["one"]


async def test_requests_by_number(face: Face) -> None:
    for number in range(3):
        face.studio.requests.add(RequestRecord(f"/v1/{number}", "curl", generated_tokens=number))
    newest = (await face.tcp.get("/requests?since=-2")).json()
    assert [(each["seq"], each["route"]) for each in newest] == [(2, "/v1/1"), (3, "/v1/2")]
    later = (await face.tcp.get("/requests?since=2")).json()
    assert [each["generated_tokens"] for each in later] == [2]


async def test_what_an_earlier_studio_left_is_adopted_with_all_that_its_profile_says(
    face: Face, home: Home
) -> None:
    text = 'name = "One"\n[model]\nfile = "tiny.gguf"\n[server]\nidle_unload = "5m"\n'
    home.profile("one", text)
    assert (await face.socket.post("/switch?wait=true", json={"model": "one"})).status_code == 200
    await face.studio.close()
    engines = {"process": face.engine, "scripted": face.engine}
    second = Studio(load_settings(), engines, ScriptedHealth(face.engine))
    async with asyncio.timeout(10):
        await second.start()
        assert second.status().state == "ready"
        assert second.status().engine is not None
        while second.berths._unasked:
            await asyncio.sleep(0.01)
    now = second.berths.main.supervisor._attendant.now
    assert now is not None
    assert now.idle == 300
    assert len(face.engine.lives) == 1
    await second.close()


async def test_what_an_adopted_engine_holds_is_what_its_driver_tells(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody measured its load; it must not count as used by others."""
    assert face.studio.status().held == {}
    ours = [GpuProcess(pid=1, memory=5 << 30, engine=True), GpuProcess(pid=2, memory=1 << 30)]
    card = GpuSample(id="nvidia0", kind="nvidia", index=0, uuid="GPU-a", processes=ours)
    face.studio.samples.sampler.latest = Sample(seq=1, time=0, gpus=[card], host=HostSample())
    assert face.studio.status().held == {}, "nothing is served"
    serving = property(lambda _: SimpleNamespace(address="http://127.0.0.1:1", command=()))
    monkeypatch.setattr(Supervisor, "serving", serving)
    assert face.studio.status().held == {"GPU-a": 5 << 30}
    monkeypatch.setattr(Supervisor, "held", property(lambda _: {"GPU-a": 4 << 30}))
    assert face.studio.status().held == {"GPU-a": 4 << 30}, "what was measured is better"
