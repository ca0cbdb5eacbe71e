"""Images as jobs of the studio: one at a time, with what came of it and why it did not."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.standins.engine_truth import require_engine

from llm_studio.engines.images import build as building
from llm_studio.settings import load_settings
from llm_studio.studio import images as module
from llm_studio.studio.images import Images
from llm_studio.studio.jobs import Jobs

pytestmark = [pytest.mark.engine, pytest.mark.anyio]
BASE = "FROM debian:sid-slim\n"


@pytest.fixture
async def jobs(home: Home) -> AsyncIterator[Jobs]:
    jobs = Jobs(home.state / "jobs.jsonl")
    yield jobs
    await jobs.close()


@pytest.fixture
async def images(home: Home, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Images]:
    require_engine()
    folder = home.root / "container"
    folder.mkdir(parents=True)
    monkeypatch.setattr(building, "folder", lambda: folder)
    monkeypatch.setattr(building, "QUIET", 0)
    images = Images(load_settings(), jobs)
    yield images
    await jobs.close()
    await images.close()


@pytest.fixture
def name() -> Iterator[str]:
    name = f"llm-studio/test-{uuid.uuid4().hex[:8]}:built"
    yield name
    subprocess.run(["docker", "rmi", "--force", name], check=False, capture_output=True)


def dockerfile(home: Home, variant: str, text: str) -> None:
    (home.root / "container" / f"{variant}.Dockerfile").write_text(text)


async def test_a_build_leaves_an_image_and_its_log(
    images: Images, jobs: Jobs, home: Home, name: str
) -> None:
    dockerfile(home, "it", f"{BASE}ARG CREATED\nARG WORD=no\nRUN echo the word is $WORD\n")
    job = await images.build("it", {"WORD": "yes"}, name)
    assert await images.build("it", {"WORD": "yes"}, name) is job
    await jobs.ended(job)
    assert (job.state, job.error) == ("done", "")
    assert job.result["name"] == name
    assert "the word is yes" in Path(job.result["log"]).read_text()
    kept = images.shelf.read().images[job.result["id"]]
    assert (kept.name, kept.origin) == (name, "built")
    assert job.result["id"] in [image.id for image in await asyncio.to_thread(images.stock.images)]


async def test_a_build_that_fails_says_where_and_why(
    images: Images, jobs: Jobs, home: Home, name: str
) -> None:
    dockerfile(home, "it", f"{BASE}RUN echo {uuid.uuid4().hex}; echo it is broken; exit 3\n")
    job = await images.build("it", {}, name)
    await jobs.ended(job)
    assert job.state == "failed"
    assert job.error.startswith("The build failed at")
    assert "it is broken" in job.error
    assert ".log" in job.hint
    assert images.shelf.read().images == {}


async def test_the_sandbox_is_no_engine(images: Images, jobs: Jobs, home: Home, name: str) -> None:
    dockerfile(home, "sandbox", f"{BASE}LABEL a=b\n")
    job = await images.build("sandbox", {}, name)
    await jobs.ended(job)
    assert (job.state, job.result["state"]) == ("done", "sandbox")
    assert images.shelf.read().images == {}


async def test_what_fits_is_built_where_nothing_is_named(
    images: Images, jobs: Jobs, home: Home
) -> None:
    """The machine of the tests may have any GPU, so that any Dockerfile may be the one."""
    text = "FROM 127.0.0.1:1/nowhere:1\nARG CUDA_VERSION\nARG CUDA_ARCHITECTURES\n"
    for variant in ("cpu", "cuda", "vulkan"):
        dockerfile(home, variant, f"{text}ARG UBUNTU_VERSION\nARG GCC_VERSION\n")
    job = await images.build("", {}, "")
    await jobs.ended(job)
    assert job.title.startswith("Build llm-studio/llama.cpp:")
    assert job.error.startswith("The image registry cannot be reached.")


async def test_silence_is_told(
    images: Images, jobs: Jobs, home: Home, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.3)
    dockerfile(home, "it", f"{BASE}RUN echo {uuid.uuid4().hex}; sleep 60\n")
    job = await images.build("it", {}, name)
    async with asyncio.timeout(20):
        while "no news for" not in job.message:
            await jobs.changed(jobs.version, 1)
    jobs.cancel(job.id)
    await jobs.ended(job)
    assert job.state == "cancelled"


async def test_old_logs_go(images: Images, jobs: Jobs, home: Home, name: str) -> None:
    folder = home.state / "builds"
    folder.mkdir(parents=True)
    for number in range(module.LOGS_KEPT + 5):
        (folder / f"{number}.log").write_text("")
    dockerfile(home, "it", "FROM 127.0.0.1:1/nowhere:1\n")
    job = await images.build("it", {}, name)
    await jobs.ended(job)
    assert len(list(folder.iterdir())) == module.LOGS_KEPT + 1
