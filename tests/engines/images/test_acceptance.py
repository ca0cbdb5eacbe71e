"""The acceptance test of images: of one that is good, and of ones that lack something."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import gguf
import pytest
from tests.standins.engine_truth import IMAGE, require_engine

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker import DockerEngine, container
from llm_studio.engines.images.acceptance import Subject, accept
from llm_studio.engines.images.tiny_model import CALL, CALL_TOKEN, write_tiny_model
from llm_studio.schema import ImageCheck

pytestmark = pytest.mark.engine
STEPS = [
    "flags", "loads", "short prompt", "long prompt", "streamed chat", "tool call",
    "cancelled request", "Anthropic message", "speed",
]  # fmt: skip


def docker(*words: str, told: str = "") -> str:
    done = subprocess.run(
        ["docker", *words], input=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def studio() -> Iterator[str]:
    require_engine()
    label = f"test-{uuid.uuid4().hex[:12]}"
    yield label
    left = docker("ps", "--all", "--quiet", "--filter", f"label={container.STUDIO}={label}").split()
    if left:
        docker("rm", "--force", "--volumes", *left)
    assert left == []


def derived(script: str) -> Iterator[str]:
    """The good image with another program in front of its server."""
    require_engine()
    name = f"llm-studio/test-{uuid.uuid4().hex[:8]}:derived"
    text = (
        f"FROM {IMAGE}\nUSER 0:0\n"
        f"RUN printf '%s\\n' '#!/bin/sh' {script} > /server && chmod 755 /server\n"
        'USER 10001:10001\nENTRYPOINT ["/server"]\n'
    )
    docker("build", "--quiet", "--tag", name, "-", told=text)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture
def without_tools() -> Iterator[str]:
    """One whose server has the templates of models switched off, and so no tools."""
    yield from derived("'exec llama-server --no-jinja \"$@\"'")


@pytest.fixture
def that_ends() -> Iterator[str]:
    """One whose server knows all flags, and ends when it is to serve."""
    words = (
        '\'case "$1" in --help|--version) exec llama-server "$1";; esac\' '
        "'echo 0.00.000.001 E no luck today >&2; exit 3'"
    )
    yield from derived(words)


def checked(studio: str, folder: Path, image: str, *needed: str, in_use: str = "") -> ImageCheck:
    async def test() -> ImageCheck:
        engine = DockerEngine(studio, image)
        try:
            return await accept(
                engine,
                Subject(image, folder),
                {flag: ["one", "two"] for flag in needed},
                lambda *_: None,
                Subject(in_use, folder) if in_use else None,
            )
        finally:
            await engine.close()

    return asyncio.run(asyncio.wait_for(test(), 60))


def failures(check: ImageCheck) -> dict[str, str]:
    return {each.step: each.told for each in check.findings if not each.passed}


def test_a_good_image_passes(studio: str, tmp_path: Path) -> None:
    check = checked(studio, tmp_path, IMAGE, "--ctx-size", in_use=IMAGE)
    assert failures(check) == {}
    assert check.passed
    assert [each.step for each in check.findings] == STEPS
    assert check.speed
    assert check.prompt_speed
    assert check.version != "unknown"
    assert "of the image in use" in check.findings[-1].told
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_a_flag_that_a_profile_needs_is_missed(studio: str, tmp_path: Path) -> None:
    check = checked(studio, tmp_path, IMAGE, "--teleport")
    assert not check.passed
    assert failures(check) == {"flags": "unknown here: --teleport (one, two)"}


def test_an_image_without_tools_fails(studio: str, tmp_path: Path, without_tools: str) -> None:
    check = checked(studio, tmp_path, without_tools)
    assert not check.passed
    assert set(failures(check)) == {"tool call"}


def test_an_image_whose_server_ends_says_why(studio: str, tmp_path: Path, that_ends: str) -> None:
    check = checked(studio, tmp_path, that_ends)
    assert not check.passed
    assert "no luck today" in failures(check)["loads"]
    assert [each.step for each in check.findings] == ["flags", "loads"]


def test_an_image_without_a_server_cannot_be_tested(studio: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no llama-server"):
        checked(studio, tmp_path, "debian:sid-slim")


def test_a_test_that_is_cancelled_leaves_nothing(studio: str, tmp_path: Path) -> None:
    async def test() -> None:
        engine, loads = DockerEngine(studio, IMAGE), asyncio.Event()

        def told(message: str, _: float | None) -> None:
            if "short" in message:
                loads.set()

        task = asyncio.create_task(accept(engine, Subject(IMAGE, tmp_path), {}, told))
        await asyncio.wait_for(loads.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.close()

    asyncio.run(test())  # the fixture looks for what is left


def test_the_tiny_model_is_a_gguf(tmp_path: Path) -> None:
    reader = gguf.GGUFReader(write_tiny_model(tmp_path / "tiny.gguf"))
    field = reader.get_field("tokenizer.ggml.tokens")
    assert field is not None
    tokens = field.contents()
    assert tokens[CALL_TOKEN] == CALL
    assert {tensor.tensor_type for tensor in reader.tensors} == {gguf.GGMLQuantizationType.F32}
    again = write_tiny_model(tmp_path / "again.gguf")
    assert again.read_bytes() == (tmp_path / "tiny.gguf").read_bytes()
    assert again.stat().st_mode & 0o777 == 0o644
