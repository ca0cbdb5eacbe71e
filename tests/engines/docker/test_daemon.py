"""A Docker daemon that is restarted, killed and replaced: nothing is lost, and it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.standins.engine_truth import require_engine
from tests.standins.registry import Registry
from tests.standins.second_docker import IMAGE, SecondDocker

from llm_studio.engines.base import EngineError, Running
from llm_studio.engines.docker import DockerEngine, Unreachable, container
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.failures import Ended, explain
from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.engines.images.pull import pull
from llm_studio.engines.images.reference import Reference

pytestmark = [
    pytest.mark.engine,
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="a daemon of its own needs root"),
    # The SDK's, at connections that break.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]
STUDIO = "test-daemon"
COUNTING = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"


@pytest.fixture
def docker() -> Iterator[SecondDocker]:
    require_engine()
    with SecondDocker() as docker:
        yield docker


@pytest.fixture
def lasting() -> Iterator[SecondDocker]:
    """One whose containers outlive it."""
    require_engine()
    with SecondDocker(live_restore=True) as docker:
        yield docker


def serving(docker: SecondDocker, script: str, *words: str) -> Running:
    """A container that the engine takes for one of its own."""
    instance = uuid.uuid4().hex[:12]
    labels = {container.MANAGED: "true", container.STUDIO: STUDIO, container.INSTANCE: instance}
    told = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    docker.run(script, *told, *words)
    return Running("docker", instance, "", "", "", 0.0, ())


async def until(condition: Callable[[], Any], limit: float) -> None:
    async with asyncio.timeout(limit):
        while True:
            try:
                if await condition():
                    return
            except EngineError:
                pass
            await asyncio.sleep(0.02)


async def test_a_restart_of_docker_ends_engines_and_says_so(docker: SecondDocker) -> None:
    running = serving(
        docker, "trap '' TERM; echo here; while :; do sleep 1; done", "--stop-timeout", "1"
    )
    engine = DockerEngine(STUDIO, IMAGE, docker.environment)
    try:
        assert (await engine.vitals(running)).alive
        await asyncio.to_thread(docker.end, signal.SIGTERM)
        with pytest.raises(Unreachable, match=r"Docker (is not running|has stopped)") as caught:
            await engine.vitals(running)  # what is not known is not told as ended
        assert "systemctl start docker" in caught.value.hint
        await asyncio.to_thread(docker.start)
        vitals = await engine.vitals(running)
        assert (vitals.alive, vitals.exit_code, vitals.out_of_memory) == (False, 137, False)
        lines = [line.text async for line in engine.log(running)]
        assert lines == ["here"]
        told = explain(Ended(vitals.exit_code, vitals.out_of_memory, vitals.error, lines))
        assert told.what == "The engine was killed from outside"
        assert "137" in told.why
        assert told.hint
    finally:
        await engine.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_with_live_restore_no_line_is_lost_or_doubled(
    lasting: SecondDocker, number: signal.Signals
) -> None:
    running = serving(lasting, COUNTING)
    engine = DockerEngine(STUDIO, IMAGE, lasting.environment)
    seen: list[int] = []
    grown = asyncio.Event()

    async def read() -> None:
        async with aclosing(engine.log(running)) as log:  # type: ignore[type-var]
            async for line in log:
                seen.append(int(line.text))
                grown.set()

    async def more(count: int) -> None:
        target = len(seen) + count
        async with asyncio.timeout(10):
            while len(seen) < target:
                grown.clear()
                await grown.wait()

    reader = asyncio.create_task(read())
    try:
        await more(20)
        await asyncio.to_thread(lasting.end, number)
        await asyncio.to_thread(lasting.start)

        async def back() -> bool:
            return (await engine.vitals(running)).alive

        await until(back, 2)
        await more(50)
        assert seen == list(range(1, len(seen) + 1))
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await engine.close()


async def test_docker_is_killed_in_the_middle_of_a_pull(docker: SecondDocker) -> None:
    with docker.within(Registry) as registry:
        digests = registry.push("llama", "tiny", *(os.urandom(400_000) for _ in range(3)))
        registry.stalled.add(digests[2])
        connection = Connection(docker.environment)
        wanted = Reference(f"{registry.address}/llama", "tiny")
        try:
            task = asyncio.create_task(
                in_thread("pull", lambda stop: pull(connection, wanted, lambda *_: None, stop))
            )
            assert await asyncio.to_thread(registry.half_sent.wait, 20)
            await asyncio.to_thread(docker.end, signal.SIGKILL)
            with pytest.raises(EngineError) as caught:
                await asyncio.wait_for(task, 5)
            assert "Docker" in caught.value.what
            registry.stalled.clear()
            registry.go_on.set()
            await asyncio.to_thread(docker.start)
            found = await asyncio.to_thread(
                lambda: pull(connection, wanted, lambda *_: None, Interrupt())
            )
            assert found.id.startswith("sha256:")
        finally:
            connection.close()
