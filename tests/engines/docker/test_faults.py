"""What goes wrong with containers and model files, by real engines: what the user is told."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engines.docker.launching import launch_of
from tests.standins.engine_truth import IMAGE, require_engine
from tests.standins.gguf_writer import write_gguf
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.engines.base import EngineError, Launch, Running, Vitals
from llm_studio.engines.docker import DockerEngine, container
from llm_studio.engines.failures import Ended, Failure, explain

pytestmark = [pytest.mark.engine, pytest.mark.anyio]
DEADLINE = 30


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def studio() -> Iterator[str]:
    require_engine()
    label = f"test-{uuid.uuid4().hex[:12]}"
    yield label
    found = docker("ps", "--all", "--quiet", "--filter", f"label={container.STUDIO}={label}")
    if found:
        docker("rm", "--force", "--volumes", *found.split())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_llama(tmp_path / "tiny.gguf", context=2048)


def scripted(studio: str, script: str, *words: str) -> Running:
    """A container that the engine takes for one of its own, and that does what a script says."""
    instance = uuid.uuid4().hex[:12]
    labels = {container.MANAGED: "true", container.STUDIO: studio, container.INSTANCE: instance}
    docker(
        "run", "--detach", "--network", "none", "--log-driver", "local", *words,
        *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
        "--entrypoint", "sh", IMAGE, "-c", script,
    )  # fmt: skip
    return Running("docker", instance, "", "", "", 0.0, ())


async def end_of(engine: DockerEngine, running: Running) -> tuple[Vitals, Failure]:
    """How it ended, and what is told of that."""
    async with asyncio.timeout(DEADLINE):
        lines = [line.text async for line in engine.log(running)]
    vitals = await engine.vitals(running)
    assert not vitals.alive
    return vitals, explain(Ended(vitals.exit_code, vitals.out_of_memory, vitals.error, lines))


def cut(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-4000])


def junk(model: Path) -> None:
    model.write_bytes(b"<html>not found</html>" * 40)


def empty(model: Path) -> None:
    model.write_bytes(b"")


def header_alone(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:24])


def of_an_unknown_kind(model: Path) -> None:
    write_gguf(model, {"general.architecture": "llama9", "general.name": "x"}, [])


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (cut, "model-truncated"),
        (junk, "model-not-gguf"),
        (empty, "model-truncated"),
        (header_alone, "model-truncated"),
        (of_an_unknown_kind, "architecture-unknown"),
    ],
)
async def test_a_model_file_that_cannot_be_loaded(
    studio: str, model: Path, tmp_path: Path, damage: Callable[[Path], None], cause: str
) -> None:
    """`up` refuses most of them before; this is what is told of one that changed since."""
    damage(model)
    engine = DockerEngine(studio, IMAGE)
    try:
        running = await engine.start(launch_of(model, tmp_path / "running"))
        vitals, told = await end_of(engine, running)
        assert vitals.exit_code == 1
        assert told.cause == cause
        assert told.what
        assert told.why
        assert told.hint
    finally:
        await engine.close()


async def test_a_container_that_is_paused_says_how_it_goes_on(studio: str) -> None:
    engine = DockerEngine(studio, IMAGE)
    try:
        running = scripted(studio, "exec sleep 60", "--init")
        name = (await engine._inspect(running))["Name"].lstrip("/")
        docker("pause", name)
        vitals = await engine.vitals(running)
        assert (vitals.alive, vitals.resume) == (True, f"docker unpause {name}")
        docker("unpause", name)
        assert (await engine.vitals(running)).resume == ""
    finally:
        await engine.close()


async def test_the_memory_of_the_container_runs_out(studio: str) -> None:
    engine = DockerEngine(studio, IMAGE)
    try:
        running = scripted(studio, "echo loading; exec tail /dev/zero", "--memory", "24m", "--init")
        vitals, told = await end_of(engine, running)
        assert vitals.out_of_memory
        assert told.what == "The engine ran out of host memory"
        assert "limit" in told.why
        assert "context" in told.hint
    finally:
        await engine.close()


async def test_the_end_of_a_child_is_not_the_end_of_the_engine(studio: str) -> None:
    """Docker says out-of-memory of the whole container, though it runs on."""
    engine = DockerEngine(studio, IMAGE)
    try:
        script = "tail /dev/zero; echo survived; exec sleep 600"
        running = scripted(studio, script, "--memory", "24m", "--init")
        async with asyncio.timeout(DEADLINE):
            async for line in engine.log(running):
                if line.text == "survived":
                    break
        vitals = await engine.vitals(running)
        assert (vitals.alive, vitals.out_of_memory) == (True, False)
        await engine.stop(running, 5)
        assert not (await engine.vitals(running)).alive
    finally:
        await engine.close()


async def test_a_model_that_is_gone_is_told_before_anything_is_made(
    studio: str, model: Path, tmp_path: Path
) -> None:
    launch = launch_of(model, tmp_path / "running")
    model.unlink()
    engine = DockerEngine(studio, IMAGE)
    try:
        with pytest.raises(EngineError, match=r"tiny\.gguf is not here") as caught:
            await engine.start(launch)
        assert "moved or removed" in caught.value.why
        assert "llm-studio list" in caught.value.hint
        assert list(await engine.running()) == []
    finally:
        await engine.close()
    assert not model.exists()
    assert docker("ps", "--all", "--quiet", "--filter", f"label={container.STUDIO}={studio}") == ""


async def test_a_paused_engine_is_alive_and_goes_on(
    studio: str, model: Path, tmp_path: Path
) -> None:
    launch = launch_of(model, tmp_path / "running")
    engine = DockerEngine(studio, IMAGE)
    try:
        running = await engine.start(launch)
        docker("pause", container.name_of(launch.instance))
        assert (await engine.vitals(running)).alive
        assert [each.instance for each in await engine.running()] == [launch.instance]
        docker("unpause", container.name_of(launch.instance))
        async with asyncio.timeout(DEADLINE):
            async for line in engine.log(running):
                if "listening on" in line.text:
                    break
        docker("pause", container.name_of(launch.instance))
        await engine.stop(running, 5)  # one that is paused too
        assert not (await engine.vitals(running)).alive
        await engine.forget(running)
    finally:
        await engine.close()


async def test_an_image_that_is_not_here(studio: str, model: Path, tmp_path: Path) -> None:
    launch = launch_of(model, tmp_path / "running")
    engine = DockerEngine(studio, "llm-studio/nowhere:1")
    try:
        with pytest.raises(EngineError, match="no image llm-studio/nowhere:1") as caught:
            await engine.start(launch)
        assert "image pull" in caught.value.hint
    finally:
        await engine.close()
    assert list(launch.folder.iterdir()) == []


async def test_an_image_without_a_server(studio: str, model: Path, tmp_path: Path) -> None:
    engine = DockerEngine(studio, "debian:sid-slim")
    try:
        with pytest.raises(EngineError, match="has no llama-server") as caught:
            await engine.abilities()
        assert "image list" in caught.value.hint
        running = await engine.start(launch_of(model, tmp_path / "running"))
        vitals, told = await end_of(engine, running)
        assert (vitals.exit_code, told.cause) == (127, "command-missing")
        assert told.what == "There is no engine in the image"
        assert "image use" in told.hint
    finally:
        await engine.close()


async def test_a_name_that_somebody_else_has(studio: str, model: Path, tmp_path: Path) -> None:
    launch: Launch = launch_of(model, tmp_path / "running")
    name = container.name_of(launch.instance)
    docker("create", "--name", name, IMAGE)
    engine = DockerEngine(studio, IMAGE)
    try:
        with pytest.raises(EngineError, match="Another container has this name"):
            await engine.start(launch)
        assert docker("ps", "--all", "--quiet", "--filter", f"name={name}").strip()
    finally:
        docker("rm", name)
        await engine.close()
