"""What an engine's container may do, asked from inside one that serves."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import struct
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.engines.docker.launching import launch_of
from tests.standins.engine_truth import IMAGE, require_engine
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import EngineError, Launch, Running
from llm_studio.engines.docker import DockerEngine, container, network
from llm_studio.engines.docker.container import Daemon
from llm_studio.engines.docker.graphics import Graphics, graphics
from llm_studio.engines.docker.runner import Runner

pytestmark = pytest.mark.engine
CLOSED = (
    '[model]\nfile = "tiny.gguf"\n[engine]\nnetwork = "closed"\n'
    "[server]\ncontext = 512\nparallel = 1"
)
DIAL = (
    "use IO::Socket::INET; "
    'print IO::Socket::INET->new(PeerAddr => "$ARGV[0]", Timeout => 1) ? "reached" : "nobody"'
)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def studio() -> Iterator[str]:
    require_engine()
    label = f"test-{uuid.uuid4().hex[:12]}"
    yield label
    found = f"label={container.STUDIO}={label}"
    left = docker("ps", "--all", "--quiet", "--filter", found).split()
    if left:
        docker("rm", "--force", "--volumes", *left)
    networks = docker("network", "ls", "--quiet", "--filter", found).split()
    if networks:
        docker("network", "rm", *networks)
    assert (left, networks) == ([], [])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny.gguf", context=2048)


class Inside:
    """Asks in the container of a running engine."""

    def __init__(self, launch: Launch, running: Running) -> None:
        self.name = container.name_of(launch.instance)
        self.running = running

    def sh(self, script: str) -> str:
        return docker("exec", self.name, "sh", "-c", script)

    def succeed(self, *attempts: str) -> list[str]:
        """Those of the attempts that are not refused."""
        lines = [
            f"({attempt}) </dev/null >/dev/null 2>&1 && echo {number}"
            for number, attempt in enumerate(attempts)
        ]
        done = self.sh("\n".join([*lines, "true"])).split()
        return [attempts[int(number)] for number in done]

    def status(self) -> dict[str, str]:
        lines = self.sh("cat /proc/1/status").splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def routes(self) -> list[tuple[str, str]]:
        """Each route's destination and gateway, from its own table."""
        rows = [line.split() for line in self.sh("cat /proc/net/route").splitlines()[1:]]
        return [(_dotted(row[1]), _dotted(row[2])) for row in rows]

    def reaches(self, address: str) -> bool:
        return docker("exec", self.name, "perl", "-e", DIAL, address) == "reached"


def _dotted(word: str) -> str:
    return socket.inet_ntoa(struct.pack("<I", int(word, 16)))


@asynccontextmanager
async def serving(studio: str, launch: Launch) -> AsyncIterator[Inside]:
    engine = DockerEngine(studio, IMAGE)
    running = await engine.start(launch)
    try:
        async with aclosing(engine.log(running)) as log:  # type: ignore[type-var]
            async for line in log:
                if "listening on" in line.text:
                    break
        yield Inside(launch, running)
    finally:
        await engine.stop(running, 5)
        await engine.forget(running)
        await engine.close()


async def healthy(running: Running) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{running.address}/health")).status_code == 200


@pytest.mark.anyio
async def test_it_has_no_rights_and_cannot_get_any(
    studio: str, model: Path, tmp_path: Path
) -> None:
    launch = launch_of(model, tmp_path / "running")
    async with serving(studio, launch) as inside:
        told = inside.status()
        rights = {
            name: int(told[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        }
        assert set(rights.values()) == {0}
        assert told["NoNewPrivs"] == "1"
        assert told["Seccomp"] == "2"
        assert "0" not in told["Uid"].split() + told["Gid"].split()
        assert (
            inside.succeed(
                "chroot / id",
                "mount -t tmpfs none /mnt",
                "unshare --user --map-root-user id",
                "unshare --net true",
                "chown 0 /tmp",
                "mknod /tmp/null c 1 3",
                "hostname other",
                "setpriv --reuid 0 id",
                "perl -e '$< = $> = 0; exit($> != 0)'",
                "kill -0 1 && [ $(id -u) = 0 ]",
            )
            == []
        )
        assert inside.succeed("true") == ["true"]
        devices = set(inside.sh("ls /dev").split())
        assert devices <= {
            "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
            "stdin", "stdout", "tty", "urandom", "zero", "console",
        }  # fmt: skip
        assert inside.sh("ls /var/run/docker.sock 2>/dev/null || echo none") == "none\n"


@pytest.mark.anyio
async def test_it_writes_to_memory_alone(studio: str, model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    launch = launch_of(model, tmp_path / "running")
    async with serving(studio, launch) as inside:
        mounts = [line.split() for line in inside.sh("cat /proc/mounts").splitlines()]
        writable = {
            target: kind
            for _, target, kind, options, *_ in mounts
            if "rw" in options.split(",") and kind not in ("proc", "sysfs", "devpts", "mqueue")
        }
        assert set(writable.values()) <= {"tmpfs", "cgroup", "cgroup2"}, writable
        folders = "/ /usr /etc /var /var/tmp /run /home /root /srv /opt /models /mnt".split()
        assert inside.succeed(*(f"touch {folder}/x" for folder in folders)) == []
        assert (
            inside.succeed(
                ": >/models/tiny.gguf",
                "rm -f /models/tiny.gguf",
                "chmod 777 /models/tiny.gguf",
                "mv /models/tiny.gguf /models/y",
                f"echo x >>{container.KEY}",
                "echo x >/proc/sys/kernel/hostname",
                "cp /usr/bin/true /tmp/true && chmod +x /tmp/true && /tmp/true",
            )
            == []
        )
        assert inside.succeed("touch /tmp/x") == ["touch /tmp/x"]
    assert model.read_bytes() == before
    assert docker("ps", "--all", "--quiet", "--filter", f"name={inside.name}") == ""


@pytest.mark.anyio
async def test_a_closed_network_ends_at_this_machine(
    studio: str, model: Path, tmp_path: Path
) -> None:
    """An open neighbour stands for the world beyond: on this machine, and out of reach."""
    listening = ("llama-server", IMAGE, "--host", "0.0.0.0", "--port", "8080")
    world = docker("run", "--detach", "--rm", "--entrypoint", *listening).strip()
    try:
        beyond = (
            docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", world).strip() + ":8080"
        )
        async with serving(studio, launch_of(model, tmp_path / "open")) as inside:
            assert inside.reaches(beyond)
        async with serving(studio, launch_of(model, tmp_path / "closed", CLOSED)) as inside:
            assert await healthy(inside.running)
            assert inside.running.command
            assert not inside.reaches(beyond)
            [shown] = json.loads(docker("inspect", inside.name))
            [(name, own)] = shown["NetworkSettings"]["Networks"].items()
            assert not any(shown["NetworkSettings"]["Ports"].values())
            [told] = json.loads(docker("network", "inspect", name))
            assert told["Internal"]
            subnet = ipaddress.ip_network(told["IPAM"]["Config"][0]["Subnet"])
            here = told["IPAM"]["Config"][0]["Gateway"]
            for destination, gateway in inside.routes():
                # Docker of before 2024 leaves a default route, to this machine, which drops it.
                beyond_it = destination == "0.0.0.0"
                assert gateway == here if beyond_it else ipaddress.ip_address(destination) in subnet
            assert ipaddress.ip_address(own["IPAddress"]) in subnet
            async with engine_of(studio) as another:
                assert [each.address for each in await another.running()] == [
                    inside.running.address
                ]
    finally:
        docker("rm", "--force", world)
    assert (
        docker("network", "ls", "--quiet", "--filter", f"label={container.STUDIO}={studio}") == ""
    )


@asynccontextmanager
async def engine_of(studio: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(studio, IMAGE)
    yield engine
    await engine.close()


@pytest.mark.anyio
async def test_two_closed_engines_share_a_network_that_goes_with_the_last(
    studio: str, model: Path, tmp_path: Path
) -> None:
    first, second = (launch_of(model, tmp_path / name, CLOSED) for name in ("a", "b"))
    async with serving(studio, first), serving(studio, second) as inside:
        assert await healthy(inside.running)


def test_a_network_of_that_name_that_is_open_is_refused(
    studio: str, model: Path, tmp_path: Path
) -> None:
    docker("network", "create", container.network_of(studio))
    try:

        async def test() -> None:
            engine = DockerEngine(studio, IMAGE)
            with pytest.raises(EngineError, match="is not closed") as caught:
                await engine.start(launch_of(model, tmp_path / "running", CLOSED))
            assert "docker network rm" in caught.value.hint
            await engine.close()

        asyncio.run(test())
    finally:
        docker("network", "rm", container.network_of(studio))


def test_docker_in_a_machine_of_its_own_cannot_close_a_network() -> None:
    desktop = Daemon.described({"OperatingSystem": "Docker Desktop"}, {"Version": "28"})
    rootless = Daemon.described({"SecurityOptions": ["name=rootless"]}, {"Version": "28"})
    for daemon in (desktop, rootless):
        with pytest.raises(EngineError, match="cannot close") as caught:
            network.require(None, "x", daemon)
        assert 'network = "open"' in caught.value.hint


def test_other_makers_gpus_are_given_to_images_that_use_them(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("kfd", "dri/renderD129", "dri/renderD128", "dri/card0"):
        (tmp_path / name).touch()
    found = graphics("ghcr.io/ggml-org/llama.cpp:server-rocm", tmp_path)
    nodes = [str(tmp_path / name) for name in ("kfd", "dri/renderD128", "dri/renderD129")]
    assert (list(found.files), len(found.groups)) == (nodes, 1)
    assert graphics("llm-studio/llama.cpp:cpu", tmp_path).files == ()
    assert graphics("llm-studio/llama.cpp:vulkan", tmp_path / "none").files == ()


def test_their_files_and_groups_are_in_the_containers_description(tmp_path: Path) -> None:
    def described(text: str) -> dict[str, Any]:
        made: dict[str, Any] = container.body(
            launch_of(tmp_path / "tiny.gguf", tmp_path, text),
            container.Pinned("sha256:1", "llama:server-vulkan"),
            "studio",
            Daemon("Docker"),
            Runner("10001:10001", ("44",)),
            Files(Path("/models/tiny.gguf")),
            (),
            tmp_path / "key",
            Graphics(("/dev/dri/renderD128",), ("44", "105")),
        )["HostConfig"]
        return made

    model = '[model]\nfile = "tiny.gguf"\n'
    given = described(model)
    assert [each["PathOnHost"] for each in given["Devices"]] == ["/dev/dri/renderD128"]
    assert given["GroupAdd"] == ["44", "105"]
    assert "Devices" not in described(f'{model}[engine]\ngpus = "none"\n')
    closed = described(f'{model}[engine]\nnetwork = "closed"\n')
    assert (closed["NetworkMode"], "PortBindings" in closed) == ("llm-studio-closed-studio", False)
