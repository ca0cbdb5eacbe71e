"""Downloads as jobs: of profiles and of repositories, cancelled and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.standins.fake_hub import FakeHub, fake_hub

from llm_studio.errors import NotFound, NotReady
from llm_studio.models.hub import fetch
from llm_studio.models.hub.hub import Hub
from llm_studio.settings import load_settings
from llm_studio.studio.downloads import Downloads
from llm_studio.studio.jobs import Jobs

pytestmark = pytest.mark.anyio


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(fetch, "PAUSES", (0.0,))
    monkeypatch.setattr(fetch, "RESERVE", 0)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with fake_hub() as made:
        made.add("m/big-GGUF", big__Q4_K_M=3000, big__Q8_0=5000, mmproj__F16=700)
        yield made


@pytest.fixture
def downloads(hub: FakeHub, home: Home, tmp_path: Path) -> Downloads:
    return Downloads(load_settings(), Jobs(tmp_path / "jobs.jsonl"), Hub(hub.url))


async def ended(downloads: Downloads, what: str) -> list[str]:
    job = await downloads.get(what)
    await downloads._jobs.ended(job)
    assert job.state == "done", job.error
    assert isinstance(job.result, dict)
    files: list[str] = job.result["files"]
    return files


async def test_a_repository(downloads: Downloads, home: Home) -> None:
    files = await ended(downloads, "m/big-GGUF:q8_0")
    assert files == [str(home.models / "big" / "big-Q8_0.gguf")]
    assert Path(files[0]).stat().st_size == 5000


async def test_a_profile_with_its_projector(downloads: Downloads, home: Home) -> None:
    home.profile(
        "big",
        'name = "Big"\n[model]\nfile = "there/big-Q4_K_M.gguf"\nmmproj = "there/mmproj-F16.gguf"\n'
        'repo = "m/big-GGUF"\n',
    )
    files = await ended(downloads, "big")
    folder = home.models / "there"
    assert files == [str(folder / "big-Q4_K_M.gguf"), str(folder / "mmproj-F16.gguf")]


async def test_what_cannot_be_meant_is_told_before_a_job_begins(
    downloads: Downloads, home: Home
) -> None:
    home.profile("none", 'name = "None"\n[model]\nfile = "x.gguf"\n')
    home.profile("else", 'name = "E"\n[model]\nfile = "x.gguf"\nrepo = "m/big-GGUF"\n')
    with pytest.raises(NotReady, match="needs no download"):
        await downloads.get("demo")
    with pytest.raises(NotReady, match="does not say where"):
        await downloads.get("none")
    with pytest.raises(NotFound, match=r"has no file x\.gguf"):
        await downloads.get("else")
    with pytest.raises(NotFound):
        await downloads.get("nobody")
    assert list(downloads._jobs) == []


async def test_twice_is_one_and_a_cancelled_one_is_gone_on_with(
    downloads: Downloads, hub: FakeHub, home: Home
) -> None:
    hub.faults = ["hold"]
    job = await downloads.get("m/big-GGUF:Q8_0")
    assert await downloads.get("m/big-GGUF:Q8_0") is job
    await asyncio.to_thread(hub.held.wait, 10)
    downloads._jobs.cancel(job.id)
    hub.release.set()
    await downloads._jobs.ended(job)
    assert job.state == "cancelled"
    whole, kept = hub.files["m/big-GGUF"]["big-Q8_0.gguf"], home.models / "big" / "big-Q8_0.gguf"
    assert not kept.exists() or kept.read_bytes() == whole, "it was quicker than the end"
    (file,) = await ended(downloads, "m/big-GGUF:Q8_0")
    assert Path(file).read_bytes() == whole


async def test_a_download_that_fails_says_why(downloads: Downloads, hub: FakeHub) -> None:
    hub.lies.add("big-Q8_0.gguf")
    job = await downloads.get("m/big-GGUF:Q8_0")
    await downloads._jobs.ended(job)
    assert job.state == "failed"
    assert "came damaged" in job.error


async def test_what_a_repository_has(downloads: Downloads) -> None:
    found = await downloads.offers("m/big-GGUF")
    assert [(each.name, each.size, each.projector) for each in found.offers] == [
        ("Q4_K_M", 3000, False),
        ("Q8_0", 5000, False),
        ("F16", 700, True),
    ]
    assert [each.repository for each in await downloads.search("big")] == ["m/big-GGUF"]
