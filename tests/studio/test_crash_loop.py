"""A real engine that is killed again and again: started again each time, then given up."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
from tests.conftest import Home
from tests.standins.engine_truth import IMAGE, require_engine

from llm_studio.engines.docker import DockerEngine, container
from llm_studio.settings import load_settings
from llm_studio.studio.serving import backoff
from llm_studio.studio.serving.state import Phase, State
from llm_studio.studio.studio import Studio

pytestmark = [pytest.mark.engine, pytest.mark.anyio]
DEADLINE = 60
PROFILE = """\
name = "One"
[model]
file = "tiny.gguf"
[engine]
kind = "docker"
gpus = "none"
[server]
context = 512
parallel = 1
"""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
async def studio(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    require_engine()
    monkeypatch.setattr(backoff, "DELAYS", (0.01, 0.01))
    home.model()
    home.profile("one", PROFILE)
    label = f"test-{uuid.uuid4().hex[:12]}"
    studio = Studio(load_settings(), {"docker": DockerEngine(label, IMAGE)})
    await studio.start()
    yield studio
    await studio.close()
    left = docker("ps", "--all", "--quiet", "--filter", f"label={container.STUDIO}={label}")
    if left:
        docker("rm", "--force", "--volumes", *left.split())


async def until(studio: Studio, condition: Callable[[State], bool]) -> State:
    async with asyncio.timeout(DEADLINE):
        while not condition(studio.store.state):
            await studio.store.changed(studio.store.state.version, 5)
    return studio.store.state


async def up(studio: Studio) -> None:
    job = studio.berths.main.supervisor.switch("one")
    assert job is not None
    await studio.jobs.ended(job)
    assert (job.state, studio.store.state.phase) == ("done", Phase.READY), job.error


async def kill(studio: Studio) -> None:
    engine = studio.store.state.engine
    assert engine is not None
    await asyncio.to_thread(docker, "kill", "--signal", "KILL", container.name_of(engine.instance))
    await until(studio, lambda state: state.phase is Phase.FAILED)


async def test_it_is_given_up_and_can_be_served_again(studio: Studio) -> None:
    await up(studio)
    for _ in backoff.DELAYS:
        await kill(studio)
        await until(studio, lambda state: state.phase is Phase.READY)
    await kill(studio)
    given_up = await until(studio, lambda state: "again and again" in state.detail)
    assert given_up.failure is not None
    assert given_up.failure.exit_code == 137
    assert given_up.desired == "one"
    assert list(await studio.engines["docker"].running()) == []
    await up(studio)
