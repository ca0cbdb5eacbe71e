"""The routes of profiles: in full, what if, and the changes that people make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import Home

from llm_studio.models.fit import Host
from llm_studio.models.memory import Device, GiB
from llm_studio.profiles.plan import Machine
from llm_studio.server.api import _handle_errors
from llm_studio.server.profile_routes import profile_routes
from llm_studio.settings import load_settings
from llm_studio.studio import shelf as shelf_module
from llm_studio.studio.shelf import Shelf

pytestmark = pytest.mark.anyio
HELD = 10 * GiB


@pytest.fixture
async def api(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A machine with one GPU, of which the served model holds a part."""
    devices = (Device("GPU 0", 24 * GiB, 4 * GiB, uuid="GPU-1"),)
    machine = Machine(devices, Host(64 * GiB, 48 * GiB))
    monkeypatch.setattr(shelf_module, "this_machine", lambda _: machine)
    home.model()
    home.model("spare.gguf", context=512)
    home.profile(
        "one",
        'name = "One"\n# a remark\n[model]\nfile = "tiny.gguf"\n[server]\nubatch = 4096\n'
        "[sampling]\ntemperature = 0.5\n",
    )
    home.profile("bad", "nonsense")
    app = FastAPI()
    _handle_errors(app)
    app.include_router(profile_routes(Shelf(load_settings(), held=lambda _: {"GPU-1": HELD})))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://studio"
    ) as client:
        yield client


async def detail(api: httpx.AsyncClient, id_: str, **query: Any) -> Any:
    answer = await api.get(f"/profiles/{id_}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_profile_in_full(api: httpx.AsyncClient) -> None:
    one = await detail(api, "one")
    assert one["summary"]["id"] == "one"
    assert one["summary"]["quantisation"]
    assert one["summary"]["parameters"]
    assert one["own"] is True
    origins = {value["key"]: value["origin"] for value in one["values"]}
    assert origins["sampling.temperature"] == "profile"
    assert origins["server.context"] == "fit"
    words = [word for argument in one["command"] for word in argument["words"]]
    assert "--ctx-size" in words
    assert any(finding["key"] == "server.ubatch" for finding in one["findings"])
    assert [device["name"] for device in one["devices"]] == ["GPU 0", "host"]


async def test_what_the_served_model_holds_counts_as_free(api: httpx.AsyncClient) -> None:
    """A switch gives it back, so a plan without it would call everything too big."""
    gpu = (await detail(api, "one"))["devices"][0]
    assert gpu["free"] == 4 * GiB + HELD


async def test_what_if(api: httpx.AsyncClient, home: Home) -> None:
    before = (home.profiles / "one.toml").read_text()
    small, large = await detail(api, "one", context=512), await detail(api, "one", context=4096)
    assert small["devices"][0]["context"] < large["devices"][0]["context"]
    assert large["summary"]["context"] == 4096
    packed = await detail(api, "one", context=4096, cache_type="q8_0")
    assert packed["devices"][0]["context"] < large["devices"][0]["context"]
    assert packed["cache_type_k"] == packed["cache_type_v"] == "q8_0"
    assert (home.profiles / "one.toml").read_text() == before


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/profiles/nosuch", 404),
        ("/profiles/one?context=0", 422),
        ("/profiles/one?cache_type=q9_9", 422),
        ("/profiles/one?cache_type=..%2f", 422),
    ],
)
async def test_what_cannot_be_looked_at(api: httpx.AsyncClient, route: str, status: int) -> None:
    answer = await api.get(route)
    assert (answer.status_code, bool(answer.json()["title"])) == (status, True)


async def test_a_broken_profile_says_what_is_wrong(api: httpx.AsyncClient) -> None:
    bad = await detail(api, "bad")
    assert bad["summary"]["state"] == "broken"
    assert bad["findings"]
    assert bad["command"] == bad["devices"] == []


async def test_files_without_a_profile_and_making_one(api: httpx.AsyncClient, home: Home) -> None:
    assert [file["name"] for file in (await api.get("/files")).json()] == ["spare.gguf"]
    made = await api.post("/profiles", json={"file": "spare.gguf"})
    assert made.status_code == 201
    assert (home.profiles / f"{made.json()['id']}.toml").exists()
    assert (await api.get("/files")).json() == []
    again = await api.post("/profiles", json={"file": "spare.gguf"})
    assert again.json()["id"] == f"{made.json()['id']}-2"
    taken = await api.post("/profiles", json={"file": "spare.gguf", "id": "one"})
    assert taken.status_code == 409
    assert (await api.post("/profiles", json={"file": "nosuch.gguf"})).status_code == 404
    outside = await api.post("/profiles", json={"file": "spare.gguf", "id": "../x"})
    assert outside.status_code == 422


async def test_copy(api: httpx.AsyncClient, home: Home) -> None:
    copied = await api.post("/profiles/one/copy", json={"id": "two"})
    assert copied.status_code == 201
    assert "# a remark" in (home.profiles / "two.toml").read_text()
    assert (await api.post("/profiles/one/copy", json={})).json()["id"] == "one-copy"
    assert (await api.post("/profiles/one/copy", json={"id": "two"})).status_code == 409
    assert (await api.post("/profiles/one/copy", json={"id": "a/b"})).status_code == 422


async def test_values_are_set_and_remarks_kept(api: httpx.AsyncClient, home: Home) -> None:
    changed = await api.patch("/profiles/one", json={"server.context": 1024})
    assert changed.json()["context"] == 1024
    text = (home.profiles / "one.toml").read_text()
    assert "context = 1024" in text
    assert "# a remark" in text
    refused = await api.patch("/profiles/one", json={"server.context": "much"})
    assert refused.status_code >= 400
    assert (home.profiles / "one.toml").read_text() == text
    shipped = await api.patch("/profiles/gpt-oss-20b", json={"server.context": 8192})
    assert shipped.status_code == 200
    assert (home.profiles / "gpt-oss-20b.toml").exists()


async def test_deleting_moves_to_the_trash_and_loses_nothing(
    api: httpx.AsyncClient, home: Home
) -> None:
    text = (home.profiles / "one.toml").read_text()
    gone = (await api.delete("/profiles/one")).json()["path"]
    assert not (home.profiles / "one.toml").exists()
    assert (home.profiles / "trash").joinpath(gone.rsplit("/", 1)[1]).read_text() == text
    assert (await api.get("/profiles/one")).status_code == 404
    assert (await api.delete("/profiles/gpt-oss-20b")).status_code == 409
    assert (await api.delete("/profiles/nosuch")).status_code == 404
