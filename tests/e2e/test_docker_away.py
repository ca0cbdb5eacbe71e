"""Docker that goes away and comes back: what it runs serves on, and the status does not guess."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.seen import ContainerHandle, docker
from tests.e2e.user import User, chat
from tests.standins.docker_proxy import DockerProxy

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("kind", ["docker"])]


@pytest.fixture
def daemon(user: User, tmp_path: Path) -> Iterator[DockerProxy]:
    """Docker as the studio reaches it. Restarting the real one would stop others' containers."""
    with DockerProxy(tmp_path / "docker.sock") as proxy:
        user.environment["DOCKER_HOST"] = f"unix://{proxy.here}"
        yield proxy


def test_what_runs_serves_on(user: User, daemon: DockerProxy) -> None:
    user.serve()
    user.up("one")
    engine = user.engine
    daemon.drop()
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"
        refused = user.run("up", "two")
        assert (refused.code, "Docker" in refused.err) == (1, True), refused.err
        assert "→" in refused.err
        status = user.status()
        assert (status["state"], status["profile"], status["desired"]) == ("ready", "one", "one")
        assert chat(gateway).json()["model"] == "one"
        daemon.listen()
        assert user.engine == engine
        assert user.up("two")["state"] == "done"
        assert chat(gateway).json()["model"] == "two"
    assert not engine.alive


def test_an_engine_that_ends_meanwhile(user: User, daemon: DockerProxy) -> None:
    """Nothing can be known of it; once Docker answers, its end is known and mended."""
    user.serve()
    user.up("one")
    engine = user.engine
    with user.watching() as watching:
        daemon.drop()
        engine.kill()
        unknown = watching.until(state="failed")
        assert unknown["failure"]["cause"] == "out-of-reach"
        assert "Docker" in unknown["failure"]["why"]
        daemon.listen()
        ready = watching.until(state="ready")
    assert ready["engine"]["instance"] not in str(engine)
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"


def test_a_stop_that_cannot_be_done(user: User, daemon: DockerProxy) -> None:
    """It is not called stopped while it runs on; and it is stopped once that can be done."""
    user.serve()
    user.up("one")
    engine = user.engine
    daemon.drop()
    refused = user.run("down")
    assert (refused.code, "Docker" in refused.err) == (1, True), refused.err
    assert engine.alive
    assert user.status()["state"] != "stopped"
    daemon.listen()
    user.ok("down")
    assert user.status()["state"] == "stopped"
    assert not engine.alive


def test_a_studio_that_starts_without_docker(user: User, daemon: DockerProxy) -> None:
    """What an earlier one left there is found once Docker is back."""
    studio = user.serve()
    user.up("one")
    engine = user.engine
    assert isinstance(engine, ContainerHandle)
    studio.kill()
    studio.wait(10)
    daemon.drop()
    assert user.run("status").code == 3
    refused = user.run("up", "one")
    assert "Docker" in refused.err
    daemon.listen()
    user.ok("up", "one")
    mine = docker("ps", "--quiet", "--filter", f"label=llm-studio.folder={user.state / 'engines'}")
    assert len(mine.split()) == 1  # and not a second one beside it
