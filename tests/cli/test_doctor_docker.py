"""The doctor's questions to a real Docker: what it is, the image, and a container with the GPUs."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.standins.engine_truth import require_engine

from llm_studio.cli.doctor_system import STUDIO, TheDocker, this_system
from llm_studio.errors import StudioError
from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.finding import Severity
from llm_studio.settings import load_settings

IMAGE = "llm-studio/llama.cpp:cpu"
DOCKER = [check for check in all_checks() if check.id.startswith("docker.")]


@pytest.fixture
def docker(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[TheDocker]:
    require_engine()
    monkeypatch.setenv("LLM_STUDIO_IMAGE", IMAGE)
    docker = TheDocker(load_settings(), os.environ)
    yield docker
    docker.close()


@pytest.mark.engine
def test_what_docker_is_and_has(docker: TheDocker) -> None:
    assert docker.info()["DockerRootDir"]
    assert {part["Name"] for part in docker.version()["Components"]} >= {"Engine", "runc"}
    name, inspected = docker.image()
    assert name == IMAGE
    assert inspected
    assert inspected["Architecture"] in ("amd64", "arm64")


@pytest.mark.engine
def test_an_image_that_is_not_there(docker: TheDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_STUDIO_IMAGE", "llm-studio/none:nowhere")
    other = TheDocker(load_settings(), os.environ)
    assert other.image() == ("llm-studio/none:nowhere", None)
    other.close()


@pytest.mark.engine
def test_a_container_with_the_gpus_is_tried_and_thrown_away(docker: TheDocker) -> None:
    """Where Docker has no GPUs to give, it says so; either way nothing is left of the trial."""
    try:
        told = docker.devices()
    except StudioError as error:
        told = error.what
    assert "Available devices" in told or told == "Containers cannot use the GPUs of this machine"
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=llm-studio.studio={STUDIO}"],
        capture_output=True,
        check=True,
    )
    assert left.stdout == b""


@pytest.mark.engine
def test_the_checks_of_docker(docker: TheDocker) -> None:
    with this_system() as system:
        results = {result.id: result.finding for result in examine(system, DOCKER)}
    assert results["docker.daemon"].severity is Severity.OK
    assert results["docker.image"].found.startswith(IMAGE)


def test_a_daemon_that_hangs_is_waited_for_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five checks ask it at the same time; none is given up, as each would wait in turn."""
    monkeypatch.setattr("llm_studio.engines.docker.connection.TIMEOUT", 0.5)
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        begun = time.monotonic()
        with this_system() as system:
            results = {result.id: result.finding for result in examine(system, DOCKER)}
    assert time.monotonic() - begun < 5
    assert results["docker.daemon"].severity is Severity.FAULT
    assert results["docker.daemon"].found.startswith("Docker answers slowly")
    assert results["docker.image"].found == "not known: Docker does not answer"


# The SDK forgets the socket of a connection that it could not make.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_daemon_at_all(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with this_system() as system:
        results = {result.id: result.finding for result in examine(system, DOCKER)}
    assert results["docker.daemon"].severity is not Severity.OK
    assert all(results[check.id].found for check in DOCKER)
