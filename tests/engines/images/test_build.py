"""Builds by the BuildKit of the real Docker: what is told, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.standins.engine_truth import require_engine
from tests.standins.registry import Registry

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images import build as module
from llm_studio.engines.images.build import Built, Recipe, build
from llm_studio.engines.images.buildkit import Steps
from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.errors import NotFound, UsageError

pytestmark = pytest.mark.engine
BASE = "FROM debian:sid-slim\n"


class Builder:
    """Builds from Dockerfiles of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "logs" / "build.log"
        self.name = f"llm-studio/test-{uuid.uuid4().hex[:8]}:built"
        self.connection = Connection(os.environ)
        self.told: list[tuple[str, float | None]] = []
        self.on_told: Callable[[str], None] = lambda message: None

    def __call__(self, text: str, interrupt: Interrupt | None = None, **arguments: str) -> Built:
        (self.folder / "it.Dockerfile").write_text(text)
        recipe = Recipe("it", self.name, arguments).checked()
        return build(self.connection, recipe, self.log, self._tell, interrupt or Interrupt())

    def _tell(self, message: str, fraction: float | None) -> None:
        self.told.append((message, fraction))
        self.on_told(message)


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    require_engine()
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    monkeypatch.setattr(module, "QUIET", 0)
    builder = Builder(tmp_path)
    yield builder
    builder.connection.close()
    subprocess.run(["docker", "rmi", "--force", builder.name], check=False, capture_output=True)


def test_steps_and_lines_are_told_and_kept(builder: Builder) -> None:
    word = uuid.uuid4().hex
    made = builder(
        f"{BASE}ARG WORD\n"
        "RUN --mount=type=cache,target=/kept echo this is $WORD\n"
        "RUN echo '[3/4] Building x'; sleep 0.3\n",
        WORD=word,
    )
    assert made.id.startswith("sha256:")
    log = builder.log.read_text()
    assert f"\nthis is {word}\n" in log
    assert "=> [stage-0 2/3] RUN --mount=type=cache" in log.replace("[2/3]", "[stage-0 2/3]")
    assert any("[3/4] Building x" in message and part == 0.75 for message, part in builder.told)
    again = builder(f"{BASE}ARG WORD\nRUN --mount=type=cache,target=/kept echo this is $WORD\n"
                    "RUN echo '[3/4] Building x'; sleep 0.3\n", WORD=word)  # fmt: skip
    assert again.id == made.id
    assert "(as before)" in builder.log.read_text()


def test_a_failure_tells_the_step_and_the_last_lines(builder: Builder) -> None:
    with pytest.raises(EngineError) as caught:
        builder(f"{BASE}RUN echo {uuid.uuid4().hex} && echo fatal: no such thing && exit 7\n")
    assert "RUN echo" in caught.value.what
    assert "fatal: no such thing" in caught.value.why
    assert str(builder.log) in caught.value.hint


def test_a_build_without_a_network_says_so(builder: Builder) -> None:
    with pytest.raises(EngineError) as caught:
        builder(f"{BASE}RUN echo {uuid.uuid4().hex} fatal: Could not resolve host: x >&2; exit 1\n")
    assert "needs the network" in caught.value.hint


def test_a_base_that_cannot_be_had(builder: Builder, registry: Registry) -> None:
    registry.refusal = 401
    with pytest.raises(EngineError, match="does not let you have this image"):
        builder(f"FROM {registry.address}/base:one\n")
    with pytest.raises(EngineError, match="registry cannot be reached"):
        builder("FROM 127.0.0.1:1/base:one\n")


def test_a_base_is_pulled(builder: Builder, registry: Registry) -> None:
    registry.push("base", "one", b"content")
    made = builder(f"FROM {registry.address}/base:one\nLABEL a=b\n")
    assert made.id.startswith("sha256:")


def test_a_dockerfile_that_is_none(builder: Builder) -> None:
    with pytest.raises(EngineError, match="build failed") as caught:
        builder("FROMM debian\n")
    assert "unknown instruction" in caught.value.why


async def running(argument: str) -> psutil.Process:
    """The process with this argument alone, once it is there."""
    while True:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[1:] == [argument]:
                    return process
        await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_a_build_that_is_cancelled_works_no_longer(builder: Builder) -> None:
    seconds = str(7_000_000 + uuid.uuid4().int % 1_000_000)
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def on_told(message: str) -> None:
        if "it has begun" in message:
            loop.call_soon_threadsafe(begun.set)

    builder.on_told = on_told
    text = f"{BASE}RUN echo it 'has' begun; sleep {seconds}\n"
    task = asyncio.create_task(in_thread("build", lambda interrupt: builder(text, interrupt)))
    await asyncio.wait_for(begun.wait(), 30)
    sleeper = await asyncio.wait_for(running(seconds), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    await asyncio.to_thread(sleeper.wait, 10)


def test_recipes_are_checked(builder: Builder) -> None:
    (builder.folder / "it.Dockerfile").write_text("ARG WORD\nFROM x\n")
    with pytest.raises(NotFound, match="'itt'") as missing:
        Recipe("itt", "a:b", {}).checked()
    assert "'it'" in missing.value.hint
    with pytest.raises(UsageError, match="no argument 'WORT'") as unknown:
        Recipe("it", "a:b", {"WORT": "x"}).checked()
    assert "'WORD'" in unknown.value.hint


def test_records_that_mean_nothing_are_passed_over() -> None:
    steps = Steps()
    assert steps.take({"id": "moby.buildkit.trace", "aux": "!!"}) == []
    assert steps.take({"id": "moby.buildkit.trace", "aux": "Cv////8P"}) == []
    assert steps.take({"id": "moby.buildkit.trace", "aux": "gICA"}) == []
    assert steps.take({"stream": "Step 1/2 : FROM \x1b[2Jx\n"}) == ["Step 1/2 : FROM ␛[2Jx"]
    assert steps.sentence == "Step 1/2 : FROM ␛[2Jx"
