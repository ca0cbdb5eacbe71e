"""The routes of images: what they take and refuse. What they do is tested with a real Docker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.conftest import Home

from llm_studio.server.access import Access
from llm_studio.server.api import create_api
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A studio on a machine without Docker."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home.root}/docker.sock")
    studio = Studio(load_settings(), {})
    api = Access(create_api(studio, shut_down=lambda: None))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://studio"
    ) as it:
        yield it
    await studio.close()


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("pull", {"image": "nginx"}),
        ("pull", {"image": "a b:c"}),
        ("pull", {"image": 3}),
        ("pull", {"image": "x" * 401 + ":a"}),
        ("pull", {"name": "server"}),
        ("build", {"variant": "cpu", "arguments": {"CREATED": 1}}),
        ("build", {"variant": "cpu", "arguments": {"NO_SUCH": "1"}}),
        ("build", {"variant": "cpu", "name": "No Name"}),
        ("use", {}),
        ("use", {"image": ""}),
    ],
)
async def test_what_cannot_be_understood(
    client: httpx.AsyncClient, route: str, body: dict[str, Any]
) -> None:
    answer = await client.post(f"/images/{route}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (await client.get("/jobs")).json() == []


@pytest.mark.parametrize("variant", ["cup", "../cpu", "/etc/passwd", "cpu\n"])
async def test_a_variant_that_is_none(client: httpx.AsyncClient, variant: str) -> None:
    answer = await client.post("/images/build", json={"variant": variant})
    assert answer.status_code == 404


async def test_rolling_back_to_nothing_is_not_ready(client: httpx.AsyncClient) -> None:
    answer = await client.post("/images/rollback")
    assert answer.status_code == 409
    assert "image list" in answer.json()["hint"]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK's, at failed connections
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
async def test_without_docker_everything_says_so(client: httpx.AsyncClient) -> None:
    for method, route, body in (
        ("GET", "/images", None),
        ("POST", "/images/use", {"image": "x"}),
        ("POST", "/images/check", {"image": "x"}),
        ("POST", "/images/prune", {}),
    ):
        answer = await client.request(method, route, json=body)
        assert answer.status_code >= 400
        assert answer.json()["title"] == "Docker is not running"
    started = await client.post("/images/pull", json={"image": "server"})
    assert started.status_code == 202
    job = (await client.get(f"/jobs/{started.json()['id']}?wait=true")).json()
    assert (job["state"], job["kind"]) == ("failed", "image-pull")
    assert job["error"].startswith("Docker is not running.")
    assert "systemctl start docker" in job["hint"]
