"""The Docker engine against a real daemon and a real llama-server with a tiny model."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.engines.docker.launching import launch_of
from tests.standins.docker_proxy import DockerProxy
from tests.standins.engine_truth import IMAGE, require_engine
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.engines.base import EngineError, Launch, RawLine, Running
from llm_studio.engines.docker import DockerEngine, ImageMissing, connection, container
from llm_studio.models.memory import Device, GiB

pytestmark = pytest.mark.engine
DEADLINE = 30


@pytest.fixture(autouse=True, scope="module")
def _needed() -> None:
    require_engine()


@pytest.fixture
def studio() -> Iterator[str]:
    """A studio of this test alone; whatever it leaves behind is removed."""
    label = f"test-{uuid.uuid4().hex[:12]}"
    yield label
    if left := containers(label):
        docker("rm", "--force", "--volumes", *left)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny.gguf", context=2048)


@pytest.fixture
def launch(model: Path, tmp_path: Path) -> Launch:
    return launch_of(model, tmp_path / "running")


def docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def containers(label: str) -> list[str]:
    return docker(
        "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={container.STUDIO}={label}"
    ).split()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), DEADLINE))


@asynccontextmanager
async def engine_of(
    studio: str, image: str = IMAGE, environment: dict[str, str] | None = None
) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(studio, image, environment)
    try:
        yield engine
    finally:
        await engine.close()


async def until(engine: DockerEngine, running: Running, text: str, mark: str = "") -> list[RawLine]:
    """Its lines till one that holds the text."""
    lines = []
    async with aclosing(engine.log(running, mark)) as log:  # type: ignore[type-var]
        async for line in log:
            lines.append(line)
            if text in line.text:
                return lines
    raise AssertionError(f"no {text!r} in {lines}")


async def ready(engine: DockerEngine, running: Running) -> list[RawLine]:
    return await until(engine, running, "listening on")


async def ask(running: Running, path: str, key: str = "", body: Any = None) -> tuple[int, Any]:
    def blocking() -> tuple[int, Any]:
        request = urllib.request.Request(running.address + path)
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=10) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(blocking)


CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


def test_it_answers_who_has_its_key(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = await engine.start(launch)
            await ready(engine, running)
            assert (await ask(running, "/health"))[0] == 200
            code, reply = await ask(running, "/v1/chat/completions", running.key, CHAT)
            assert code == 200
            assert reply["model"] == "subject"
            assert (await ask(running, "/v1/chat/completions", "", CHAT))[0] == 401
            assert (await ask(running, "/v1/chat/completions", "guess", CHAT))[0] == 401
            assert (await ask(running, "/metrics"))[0] == 401
            assert (await engine.vitals(running)).alive

    run(test)


def test_the_container_is_locked(studio: str, launch: Launch, model: Path) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = await engine.start(launch)
            await ready(engine, running)

    run(test)
    name = container.name_of(launch.instance)
    shown = docker("inspect", name)
    assert launch.key not in shown
    assert launch.key not in docker("top", name, "-eo", "pid,args")
    bindings = json.loads(shown)[0]["NetworkSettings"]["Ports"]["8080/tcp"]
    assert [each["HostIp"] for each in bindings] == ["127.0.0.1"]

    def inside(script: str) -> str:
        return docker("exec", name, "sh", "-c", script)

    status = dict(
        line.split(":\t", 1) for line in inside("cat /proc/1/status").splitlines() if ":\t" in line
    )
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    assert inside("touch /tmp/x && echo yes").strip() == "yes"
    for path in ("/x", "/usr/bin/x", "/models/x", "/models/tiny.gguf", "/run/x", container.KEY):
        assert inside(f"echo x 2>/dev/null >>{path} || echo no").strip() == "no", path
    assert model.read_bytes()[:4] == b"GGUF"
    key = container.key_file(launch.folder, launch.instance)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_stopping_and_forgetting_may_be_repeated(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = await engine.start(launch)
            await ready(engine, running)
            with pytest.raises(EngineError, match="runs still"):
                await engine.forget(running)
            await engine.stop(running, 10)
            await engine.stop(running, 10)
            vitals = await engine.vitals(running)
            assert (vitals.alive, vitals.exit_code, vitals.gone) == (False, 0, False)
            assert list(await engine.running()) == []
            await engine.forget(running)
            await engine.forget(running)
            await engine.stop(running, 10)
            assert (await engine.vitals(running)).gone

    run(test)
    assert containers(studio) == []
    assert list(launch.folder.iterdir()) == []


def test_a_kill_is_seen(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = await engine.start(launch)
            await ready(engine, running)
            docker("kill", "--signal", "KILL", container.name_of(launch.instance))
            vitals = await engine.vitals(running)
            assert (vitals.alive, vitals.exit_code, vitals.out_of_memory) == (False, 137, False)

    run(test)


def test_the_end_of_memory_is_seen(studio: str) -> None:
    """The limit is not ours, so that a container of the test plays the engine."""

    async def test() -> None:
        async with engine_of(studio) as engine:
            running = scripted(studio, "exec tail /dev/zero", "--memory", "24m", "--init")
            assert await lines_of(engine, running) == []
            vitals = await engine.vitals(running)
            assert (vitals.alive, vitals.exit_code, vitals.out_of_memory) == (False, 137, True)

    run(test)


def test_removal_behind_our_back_ends_everything(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = await engine.start(launch)
            first = await ready(engine, running)
            reader = asyncio.create_task(lines_of(engine, running, first[-1].mark))
            docker("rm", "--force", container.name_of(launch.instance))
            await reader
            assert (await engine.vitals(running)).gone
            assert list(await engine.running()) == []
            await engine.stop(running, 10)
            await engine.forget(running)

    run(test)
    assert list(launch.folder.iterdir()) == []


def test_a_bad_model_ends_with_its_cause_in_the_log(studio: str, tmp_path: Path) -> None:
    async def test() -> None:
        bad = tmp_path / "bad.gguf"
        bad.write_bytes(b"junk" * 64)
        async with engine_of(studio) as engine:
            running = await engine.start(launch_of(bad, tmp_path / "running"))
            lines = await lines_of(engine, running)
            errors = [line for line in lines if " E " in line]
            assert "invalid magic characters" in errors[0]
            vitals = await engine.vitals(running)
            assert (vitals.alive, vitals.exit_code) == (False, 1)

    run(test)


def test_another_studio_process_adopts_it(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as first:
            started = await first.start(launch)
            await ready(first, started)
        async with engine_of(studio) as second, engine_of(f"{studio}-other") as stranger:
            assert list(await stranger.running()) == []
            assert list(await second.running()) == [started]
            assert (await ask(started, "/v1/models", started.key))[0] == 200
            docker("rename", container.name_of(launch.instance), f"renamed-{studio}")
            assert (await second.vitals(started)).alive
            await second.stop(started, 10)
            await second.forget(started)

    run(test)
    assert containers(studio) == []
    assert list(launch.folder.iterdir()) == []


def test_a_container_whose_key_is_lost_is_found_without_it(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            await engine.start(launch)
            container.key_file(launch.folder, launch.instance).unlink()
        async with engine_of(studio) as engine:
            [found] = await engine.running()
            assert (found.instance, found.key) == (launch.instance, "")

    run(test)


def scripted(studio: str, script: str, *words: str) -> Running:
    """A container of this studio that does what a script says."""
    instance = uuid.uuid4().hex[:12]
    labels = {
        container.MANAGED: "true", container.STUDIO: studio, container.INSTANCE: instance,
    }  # fmt: skip
    docker(
        "run", "--detach", "--network", "none", "--log-driver", "local", *words,
        *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
        "--entrypoint", "sh", IMAGE, "-c", script,
    )  # fmt: skip
    return Running("docker", instance, "", "", "", 0.0, ())


async def lines_of(engine: DockerEngine, running: Running, mark: str = "") -> list[str]:
    return [line.text async for line in engine.log(running, mark)]


def test_a_log_goes_on_after_any_mark(studio: str) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            # A burst, so that records share a time; a line without an end comes last. All of one
            # stream: Docker stamps two of them apart, and may keep them in another order.
            running = scripted(studio, "exec >&2; seq 1 500; printf end")
            whole = [line async for line in engine.log(running)]
            assert sorted(line.text for line in whole) == sorted([*map(str, range(1, 501)), "end"])
            for index in (*range(0, len(whole), 83), len(whole) - 2, len(whole) - 1):
                rest = [line async for line in engine.log(running, whole[index].mark)]
                assert rest == whole[index + 1 :]

    run(test)


def test_a_log_goes_on_after_a_restart(studio: str) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = scripted(studio, "echo begun; exec tail -f /dev/null", "--init")
            first = await until(engine, running, "begun")
            [id_] = containers(studio)
            reader = asyncio.create_task(until(engine, running, "begun", first[-1].mark))
            docker("restart", "--time", "5", id_)
            assert [line.text for line in await reader] == ["begun"]

    run(test)


def test_odd_lines(studio: str) -> None:
    """Huge, of many bytes a letter, and of no letters at all."""
    script = (
        "head -c 3000000 /dev/zero | tr '\\0' x; echo; "
        "i=0; while [ $i -lt 6000 ]; do printf '€€€'; i=$((i+1)); done; echo; "
        "printf '\\377\\000\\n'; echo done"
    )

    async def test() -> None:
        async with engine_of(studio) as engine:
            huge, euros, junk, done = await lines_of(engine, scripted(studio, script))
            assert len(huge) <= 64 << 10
            assert huge.endswith("… (3000000 bytes)")
            assert euros == "€" * 18000
            assert junk == "\ufffd\0"
            assert done == "done"

    run(test)


def test_a_storm_of_lines_is_read_at_the_readers_pace(studio: str) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            running = scripted(studio, "seq 1 100000")
            count = 0
            async for line in engine.log(running):
                count += 1
                assert line.text == str(count)
            assert count == 100_000

    run(test)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK's, at failed connections
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
def test_a_daemon_that_goes_and_comes_back_loses_nothing(
    studio: str, launch: Launch, tmp_path: Path
) -> None:
    async def test() -> None:
        proxy = DockerProxy(tmp_path / "docker.sock")
        environment = {"DOCKER_HOST": f"unix://{proxy.here}"}
        with proxy:
            async with engine_of(studio, environment=environment) as engine:
                running = await engine.start(launch)
                lines: list[str] = []
                listening, ended = asyncio.Event(), asyncio.Event()

                async def read() -> None:
                    async for line in engine.log(running):
                        lines.append(line.text)
                        if "listening on" in line.text:
                            listening.set()
                    ended.set()

                reader = asyncio.create_task(read())
                await listening.wait()
                proxy.drop()
                with pytest.raises(EngineError, match="Docker is not running"):
                    await engine.vitals(running)
                for _ in range(3):
                    await ask(running, "/v1/chat/completions", running.key, CHAT)
                proxy.listen()
                await ask(running, "/v1/chat/completions", running.key, CHAT)
                docker("kill", "--signal", "KILL", container.name_of(launch.instance))
                await reader
                assert ended.is_set()
                logged = docker("logs", container.name_of(launch.instance))
                assert sorted(lines) == sorted(logged.splitlines())
                assert len(lines) > 10

    run(test)


def test_a_reader_that_goes_leaves_no_thread_or_connection(studio: str, tmp_path: Path) -> None:
    async def test() -> None:
        with DockerProxy(tmp_path / "docker.sock") as proxy:
            environment = {"DOCKER_HOST": f"unix://{proxy.here}"}
            async with engine_of(studio, environment=environment) as engine:
                running = scripted(studio, "echo begun; exec tail -f /dev/null", "--init")
                await until(engine, running, "begun")
                before = proxy.connections
                for _ in range(5):
                    await until(engine, running, "begun")
                assert proxy.connections <= before + 1

    run(test)


def test_a_missing_image_is_said_and_leaves_nothing(studio: str, launch: Launch) -> None:
    async def test() -> None:
        async with engine_of(studio, "llm-studio/none:such") as engine:
            with pytest.raises(ImageMissing) as failure:
                await engine.start(launch)
            assert "llm-studio/none:such" in failure.value.what
            availability = await engine.availability()
            assert not availability.ready
            assert "image pull" in availability.hint
            with pytest.raises(ImageMissing):
                await engine.abilities()

    run(test)
    assert containers(studio) == []
    assert list(launch.folder.iterdir()) == []


def test_a_container_that_does_not_start_is_removed(
    studio: str, model: Path, tmp_path: Path
) -> None:
    async def test() -> None:
        absent = Device("GPU 0", GiB, GiB, "GPU-00000000-0000-0000-0000-000000000000")
        launch = launch_of(model, tmp_path / "running", devices=(absent,))
        async with engine_of(studio) as engine:
            with pytest.raises(EngineError, match="cannot use the GPUs"):
                await engine.start(launch)

    run(test)
    assert containers(studio) == []
    assert list((tmp_path / "running").iterdir()) == []


def test_a_cancelled_start_leaves_nothing(studio: str, launch: Launch) -> None:
    async def test() -> None:
        engine = DockerEngine(studio, IMAGE)
        starting = asyncio.create_task(engine.start(launch))
        await asyncio.sleep(0)  # it is on its way
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await engine.close()

    run(test)
    assert containers(studio) == []
    assert list(launch.folder.iterdir()) == []


def test_it_says_what_it_is(studio: str) -> None:
    async def test() -> None:
        async with engine_of(studio) as engine:
            availability = await engine.availability()
            assert availability.ready
            assert "docker.sock" in availability.told
            abilities = await engine.abilities()
            assert {"--model", "--api-key-file", "--cors-origins"} <= abilities.flags
            assert abilities.version != "unknown"
            assert await engine.abilities(IMAGE) is abilities

    run(test)
    assert containers(studio) == []


def test_ended_containers_of_an_earlier_studio_do_not_pile_up(studio: str) -> None:
    async def test() -> None:
        for _ in range(5):
            scripted(studio, "exit 3")
        async with engine_of(studio) as engine:
            for id_ in containers(studio):
                await asyncio.to_thread(docker, "wait", id_)
            assert list(await engine.running()) == []

    run(test)
    assert len(containers(studio)) == 3


def test_a_daemon_behind_ssh(studio: str, launch: Launch, tmp_path: Path) -> None:
    """A script plays ssh, and this machine's daemon the other machine's."""
    root = Path(__file__).parents[3]
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != -L ]; do shift; done\n'
        '[ "$4" = far ] || { echo "ssh: Could not resolve hostname $4" >&2; exit 255; }\n'
        f"cd {root} && exec {sys.executable} -m tests.standins.docker_proxy "
        '"${2%%:*}" "${2#*:}"\n'
    )
    ssh.chmod(0o755)

    def environment(host: str) -> dict[str, str]:
        return {"DOCKER_HOST": f"ssh://me@{host}", "PATH": f"{ssh.parent}:/usr/bin:/bin"}

    async def test() -> None:
        async with engine_of(studio, environment=environment("far")) as engine:
            assert "--model" in (await engine.abilities()).flags
            with pytest.raises(EngineError, match="another machine"):
                await engine.start(launch)
            # The link breaks: the next call makes another, and nobody has to do anything.
            [link] = [
                each
                for each in psutil.Process().children(recursive=True)
                if "tests.standins.docker_proxy" in each.cmdline()
            ]
            link.kill()
            await asyncio.to_thread(link.wait, 10)
            assert list(await engine.running()) == []
        async with engine_of(studio, environment=environment("nowhere")) as engine:
            availability = await engine.availability()
            assert not availability.ready
            assert "Could not resolve hostname nowhere" in availability.told

    run(test)


def test_a_daemon_that_never_answers(
    studio: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", 0.2)

    async def test() -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / "docker.sock"))
            silent.listen()
            environment = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
            async with engine_of(studio, environment=environment) as engine:
                availability = await engine.availability()
                assert "answers slowly" in availability.told

    run(test)
