"""What is kept outlives the release that wrote it: with more in it, with less, and damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.bench.runs import speed_run
from tests.conftest import Home

from llm_studio.agents.sessions import Sessions
from llm_studio.bench.results import Results
from llm_studio.engines.base import Running
from llm_studio.engines.external import ExternalEngine
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.process import ProcessEngine
from llm_studio.errors import StudioError
from llm_studio.journal import append, restored
from llm_studio.schema import ImageCheck
from llm_studio.server.api import create_api
from llm_studio.server.token import token_of
from llm_studio.settings import load_settings
from llm_studio.studio.conversations.archive import Archive
from llm_studio.studio.conversations.message import Attachment
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.requests import Requests
from llm_studio.studio.samples.history import History
from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.samples.tiers import Span
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
RUNNING = Running(
    "process", "abc123", "one", "http://127.0.0.1:1", "k" * 43, 1.0, ("llama-server",), "process 1"
)
DAMAGED = [
    b"", b"\x00\xff\xfe\x00", b'{"id": ', b"null\n", b"[1, 2]\n", b'"text"\n', b"12\n",
    b"[" * 100_000, b'{"a":' * 100_000,
]  # fmt: skip


def later(value: Any) -> Any:
    """The same as a later release may write it: there is more in every object."""
    if isinstance(value, dict):
        return {**{key: later(each) for key, each in value.items()}, "added_later": {"more": 1}}
    return [later(each) for each in value] if isinstance(value, list) else value


def make_later(path: Path, *, lines: bool = True) -> None:
    texts = path.read_text().splitlines() if lines else [path.read_text()]
    path.write_text("".join(json.dumps(later(json.loads(text))) + "\n" for text in texts))


async def test_jobs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")

    async def work(job: Job) -> dict[str, str]:
        return {"profile": "one"}

    done = await jobs.ended(jobs.start("switch", "Serve one", work))
    make_later(tmp_path / "jobs.jsonl")
    (found,) = Jobs(tmp_path / "jobs.jsonl")
    assert (found.id, found.state, found.ended) == (done.id, "done", done.ended)
    (tmp_path / "jobs.jsonl").write_text('{"kind": "switch", "title": "Old", "id": "1"}\n')
    (old,) = Jobs(tmp_path / "jobs.jsonl")  # an earlier release told less of them
    assert (old.title, old.state) == ("Old", "interrupted")


async def test_an_end_that_follows_a_cut_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"kind": "switch", "title": "cut of')
    jobs = Jobs(path)

    async def work(job: Job) -> None:
        return None

    await jobs.ended(jobs.start("switch", "Serve one", work))
    assert [(job.title, job.state) for job in Jobs(path)] == [("Serve one", "done")]


async def test_requests(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    requests = Requests(path)
    record = RequestRecord("/v1/messages", "curl", profile="one", generated_tokens=7, speed=9.5)
    requests.add(record)
    await requests.close()
    make_later(path)
    assert Requests(path).since(0, 10) == [(1, record)]
    path.write_text('{"route": "/v1/messages", "client": "curl"}\n')
    assert Requests(path).since(0, 10)[0][1].session == ""


async def test_marks(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks.jsonl")
    mark = marks.add("loaded", "one", "one was loaded")
    make_later(tmp_path / "marks.jsonl")
    assert Marks(tmp_path / "marks.jsonl").since(0) == [mark]


async def test_conversations(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    conversation = archive.create()
    attached = asdict(Attachment("notes.txt", text="Notes"))
    settings = {"system_prompt": "Be brief."}
    for record in (
        {"is": "begun"},
        {"is": "settings", "settings": settings},
        {"is": "message", "id": 1, "parent": 0, "role": "user", "at": 1.0, "text": "Hi",
         "attachments": [attached]},
        {"is": "message", "id": 2, "parent": 1, "role": "assistant", "at": 2.0,
         "state": "running"},
        {"is": "piece", "id": 2, "text": "Hello"},
        {"is": "ended", "id": 2, "state": "done", "figures": {"generated_tokens": 2}},
    ):  # fmt: skip
        conversation.record(record)
    await conversation.journal.flushed()
    path = tmp_path / f"{conversation.id}.jsonl"
    before = conversation.told()
    make_later(path)
    assert (await Archive(tmp_path).get(conversation.id)).told() == before
    words = path.read_text().replace('"role": "assistant"', '"role": "tool"')
    path.write_text(words.replace('"state": "done"', '"state": "paused"'))
    told = (await Archive(tmp_path).get(conversation.id)).told()
    assert [(each.role, each.text, each.state) for each in told.messages] == [
        ("user", "Hi", "done"), ("assistant", "Hello", "done"),
    ]  # fmt: skip


def test_images(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.use("sha256:1", "server-cuda")
    shelf.checked(
        "sha256:1", "server-cuda",
        ImageCheck(passed=True, at=1.0, version="b1", model="tiny", findings=[]),
    )  # fmt: skip
    before = shelf.read()
    make_later(tmp_path / "images.json", lines=False)
    kept = json.loads((tmp_path / "images.json").read_text())
    del kept["images"]["added_later"]  # those are ids
    (tmp_path / "images.json").write_text(json.dumps(kept))
    assert Shelf(tmp_path).read() == before
    kept["images"]["sha256:1"] |= {"origin": "imported", "check": {"grade": "A"}}
    (tmp_path / "images.json").write_text(json.dumps(kept))
    image = Shelf(tmp_path).read().images["sha256:1"]
    assert (image.name, image.origin, image.check) == ("server-cuda", "found", None)


@pytest.fixture
def child() -> Iterator[psutil.Process]:
    """A process that stands for an engine which an earlier release started."""
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield psutil.Process(started.pid)
    started.communicate(b"\n")


async def test_an_engine_that_another_release_started_is_taken_over(
    tmp_path: Path, child: psutil.Process
) -> None:
    path = tmp_path / "process-abc123.json"
    kept = {**asdict(RUNNING), "pid": child.pid, "born": child.create_time()}
    path.write_text(json.dumps(later(kept)))
    assert await ProcessEngine(tmp_path).running() == [RUNNING]
    for name in ("image", "model", "models", "detail"):
        del kept[name]
    path.write_text(json.dumps(kept))
    assert await ProcessEngine(tmp_path).running() == [replace(RUNNING, detail="")]


async def test_servers_of_others_too(tmp_path: Path) -> None:
    running = replace(RUNNING, kind="external", models=("a", "b"))
    (tmp_path / "external-abc123.json").write_text(json.dumps(later(asdict(running))))
    assert await ExternalEngine(tmp_path).running() == [running]


def test_sessions_of_agents(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    begun = sessions.begin(
        "claude", tmp_path, id_="1a2b3c4d", profile="one", context=4096, protection=""
    )
    make_later(tmp_path / "agents" / "sessions" / "1a2b3c4d.json")
    assert Sessions(tmp_path).all() == [begun]


def test_results_of_benchmarks(tmp_path: Path) -> None:
    results = Results(tmp_path)
    run = speed_run("a", [50.0, 51.0])
    path = results.add(run)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "stamp": {**kept["stamp"], "added_later": 1}, "added": 1}))
    assert Results(tmp_path).all() == [run]
    path.write_text(json.dumps({**kept, "format": 2}))
    assert Results(tmp_path).all() == []  # another meaning, so it is not guessed at
    assert path.exists()


def test_history_of_a_later_release_is_left_as_it_is(tmp_path: Path) -> None:
    spans = (Span(1, 1200),)
    history = History(tmp_path, spans)
    history.add(1.0, {"host.cpu": 5.0})
    history.close()
    (path,) = (tmp_path / "1s").glob("*.block")
    version_two = path.read_bytes().replace(b'"version":1', b'"version":2')
    path.write_bytes(version_two)
    again = History(tmp_path, spans)
    again.load()
    again.add(2.0, {"host.cpu": 6.0})
    again.close()
    assert path.read_bytes() == version_two
    assert len(list((tmp_path / "1s").iterdir())) == 2


def test_a_token_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff" * 60)
    assert len(token_of(tmp_path)) > 32
    assert token_of(tmp_path) == token_of(tmp_path)


@pytest.mark.parametrize("damage", DAMAGED, ids=range(len(DAMAGED)))
async def test_a_studio_starts_over_whatever_is_there(home: Home, damage: bytes) -> None:
    state = home.state
    places = (
        "jobs.jsonl", "requests.jsonl", "marks.jsonl", "beside.json", "gpu-overheads.json",
        "bench/speeds.json", "bench/results/1.json", "engines/process-1.json",
        "engines/external-1.json", "agents/sessions/1.json", "conversations/aabbccddeeff.jsonl",
        "history/1s/000000000001.block",
    )  # fmt: skip
    for place in places:
        (state / place).parent.mkdir(parents=True, exist_ok=True)
        (state / place).write_bytes(damage)
    engines = {
        each.kind: each
        for each in (ProcessEngine(state / "engines"), ExternalEngine(state / "engines"))
    }
    studio = Studio(load_settings(), engines)
    await studio.start()
    try:
        transport = httpx.ASGITransport(create_api(studio, shut_down=lambda: None))
        async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
            for route in (
                "/status", "/models", "/jobs", "/requests", "/history", "/samples",
                "/conversations", "/conversations/aabbccddeeff", "/agents/sessions", "/bench",
            ):  # fmt: skip
                answer = await client.get(route)
                assert answer.status_code == 200, (route, answer.text)
            assert (await client.get("/status")).json()["state"] == "stopped"
    finally:
        await studio.close()


def test_a_list_of_images_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "images.json").write_bytes(b'{"in_use": ')
    with pytest.raises(StudioError) as told:
        Shelf(tmp_path).read()
    assert "image use" in told.value.hint


@pytest.mark.parametrize("damage", DAMAGED, ids=range(len(DAMAGED)))
def test_nothing_is_restored_from_what_is_damaged(damage: bytes) -> None:
    assert restored(Running, damage) is None


def test_appending_leaves_what_was_cut_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lines"
    append(path, "one\n")
    path.write_text("one\ncut")
    append(path, "two\n", sync=True)
    assert path.read_text() == "one\ncut\ntwo\n"
