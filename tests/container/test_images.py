"""The images that need nothing but Debian, built for real and looked at from inside."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.standins.engine_truth import require_engine

from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images.build import Recipe, build
from llm_studio.engines.images.interrupt import Interrupt

pytestmark = pytest.mark.engine
CREATED = "2026-01-02T03:04:05+00:00"
"""Always the same, so that the next run finds everything built."""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(variant: str, folder: Path) -> Iterator[str]:
    """An image, built as `image build` does it; a tag of this test alone goes at the end."""
    require_engine()
    connection = Connection(os.environ)
    recipe = Recipe(
        variant, f"llm-studio/test-{uuid.uuid4().hex[:8]}:{variant}", {"CREATED": CREATED}
    )
    try:
        image = build(connection, recipe.checked(), folder / "log", lambda *_: None, Interrupt())
    finally:
        connection.close()
    yield image.name
    docker("rmi", image.name)


@pytest.fixture(scope="module")
def cpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from built("cpu", tmp_path_factory.mktemp("cpu"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from built("sandbox", tmp_path_factory.mktemp("sandbox"))


def configuration(image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]["Config"]


def test_the_cpu_image_holds_all_programs(cpu: str) -> None:
    told = configuration(cpu)
    assert told["User"] == "10001:10001"
    assert told["Entrypoint"] == ["llama-server"]
    assert told["Labels"]["org.opencontainers.image.created"] == CREATED
    programs = ("llama-server", "llama-bench", "llama-fit-params", "curl")
    script = f"for each in {' '.join(programs)}; do command -v $each; done"
    said = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", cpu, "-c", script)
    assert all(f"/{program}\n" in said for program in programs)


def test_the_cpu_images_health_is_that_of_the_server(cpu: str) -> None:
    """Without a model it routes, and that is healthy; nobody there is not."""
    [_, *check] = configuration(cpu)["Healthcheck"]["Test"]
    name = docker("run", "--detach", "--rm", "--network", "none", "--cap-drop", "ALL", cpu).strip()
    try:
        docker("exec", name, "sh", "-c", "until curl -s -o /dev/null 127.0.0.1:8080; do :; done")
        docker("exec", name, *check)
        with pytest.raises(AssertionError, match="8099"):
            docker("exec", "--env", "LLAMA_ARG_PORT=8099", name, *check)
    finally:
        docker("kill", name)


def test_the_sandbox_runs_python_without_a_network_or_rights(sandbox: str) -> None:
    script = (
        "import os, numpy, pathlib\n"
        "print(numpy.arange(4).sum(), os.getuid())\n"
        "print([l.split()[0] for l in open('/proc/net/route')][1:])\n"
        "print(open('/proc/self/status').read().split('CapEff:\\t')[1][:16])\n"
        "try: pathlib.Path('/usr/x').touch()\n"
        "except OSError as error: print(error.strerror)\n"
    )
    said = docker(
        "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", sandbox, "-c", script,
    )  # fmt: skip
    assert said.split("\n")[:4] == ["6 65534", "[]", "0" * 16, "Read-only file system"]
