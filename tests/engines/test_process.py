"""The process engine, with the embedded server: started, followed, adopted, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.engines import abilities as abilities_module
from llm_studio.engines import ending, tail
from llm_studio.engines import process as process_module
from llm_studio.engines.abilities import flags_in, version_in
from llm_studio.engines.arguments import Files
from llm_studio.engines.base import EngineError, Launch, Running
from llm_studio.engines.health import HealthProbe
from llm_studio.engines.process import ProcessEngine
from llm_studio.errors import StudioError
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.profile import Profile

pytestmark = pytest.mark.anyio
HELP = Path(__file__).parents[1] / "data/llama-server-help-11669.txt"


class Bench:
    """An engine and what was started with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = ProcessEngine(folder / "engines")
        self.model = folder / "tiny.gguf"
        write_tiny_llama(self.model)
        self.started: list[Running] = []

    async def start(self, **server: object) -> Running:
        profile = Profile.model_validate({"name": "T", "server": {"context": 2048, **server}})
        entry = Entry("t", self.folder / "t.toml", shipped=False, profile=profile)
        running = await self.engine.start(Launch(entry, Files(self.model), {}, ()))
        self.started.append(running)
        return running

    async def ready(self, running: Running) -> None:
        probe = HealthProbe()
        async with asyncio.timeout(20):
            while not (await probe.ask(running)).ready:
                assert (await self.engine.vitals(running)).alive
                await asyncio.sleep(0.01)
        await probe.close()

    def pid(self, running: Running) -> int:
        return int(running.detail.split()[1])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for running in bench.started:
        await bench.engine.stop(running, 1)
        await bench.engine.forget(running)


async def test_a_life(bench: Bench) -> None:
    running = await bench.start()
    await bench.ready(running)
    assert [each.instance for each in await bench.engine.running()] == [running.instance]
    await bench.engine.stop(running, 5)
    assert not (await bench.engine.vitals(running)).alive
    await bench.engine.stop(running, 5)  # again is no error
    await bench.engine.forget(running)
    assert list((bench.folder / "engines").iterdir()) == []


async def test_one_that_is_stopped_lives_and_says_how_it_goes_on(bench: Bench) -> None:
    running = await bench.start()
    pid = bench.pid(running)
    assert (await bench.engine.vitals(running)).resume == ""
    os.kill(pid, signal.SIGSTOP)
    await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    vitals = await bench.engine.vitals(running)
    assert (vitals.alive, vitals.resume) == (True, f"kill -CONT {pid}")
    os.kill(pid, signal.SIGCONT)
    await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WCONTINUED | os.WNOWAIT)
    assert (await bench.engine.vitals(running)).resume == ""


async def test_the_key_and_the_record_are_private(bench: Bench) -> None:
    running = await bench.start()
    for path in (bench.folder / "engines").glob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert running.key not in " ".join(running.command)


async def test_another_studio_adopts_it(bench: Bench) -> None:
    running = await bench.start()
    await bench.ready(running)
    second = ProcessEngine(bench.folder / "engines")
    (found,) = await second.running()
    assert found == running
    assert (await second.vitals(found)).alive
    await second.stop(found, 5)
    assert not (await second.vitals(found)).alive


def test_one_that_nobody_buries_has_ended() -> None:
    """An adopted engine's parent is the first process, which in a container may bury nobody."""
    script = "sleep 60 & echo $!; exec sleep 60"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        while psutil.Process(parent.pid).name() != "sleep":
            pass  # the shell itself would bury it
        begun = time.monotonic()
        ending.end(orphan, 10)
        assert time.monotonic() - begun < 5
        assert orphan.status() == psutil.STATUS_ZOMBIE
        parent.kill()


async def test_a_number_that_another_process_has_now_is_not_taken_for_it(bench: Bench) -> None:
    running = await bench.start()
    path = bench.folder / "engines" / f"process-{running.instance}.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "pid": os.getpid()}))
    second = ProcessEngine(bench.folder / "engines")
    assert await second.running() == []
    path.write_text(json.dumps(kept))


async def test_a_clock_that_is_set_makes_nobody_dead(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await bench.start()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600)
    second = ProcessEngine(bench.folder / "engines")
    assert [each.instance for each in await second.running()] == [running.instance]
    assert (await second.vitals(running)).alive


async def test_one_that_cannot_be_killed_is_told_and_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a driver that hangs; it is still there, and says so."""
    running = await bench.start()
    child = bench.engine._children[running.instance]
    monkeypatch.setattr(ending, "KILLED", 0.05)
    monkeypatch.setattr(child, "terminate", lambda: None)
    monkeypatch.setattr(child, "kill", lambda: None)
    async with asyncio.timeout(10):
        with pytest.raises(EngineError, match="cannot be ended"):
            await bench.engine.stop(running, 0.05)
    assert (await bench.engine.vitals(running)).alive
    monkeypatch.undo()


async def test_a_start_that_cannot_be_recorded_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def full(_: Running, pid: int) -> None:
        started.append(pid)
        raise StudioError("Cannot write it")

    monkeypatch.setattr(bench.engine, "_record", full)
    with pytest.raises(StudioError, match="Cannot write"):
        await bench.start()
    assert not psutil.pid_exists(started[0])
    assert list((bench.folder / "engines").iterdir()) == []


async def test_a_binary_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what it started, which holds its output open."""
    binary = tmp_path / "llama-server"
    binary.write_text("#!/bin/sh\nsleep 600 &\nsleep 600\n")
    binary.chmod(0o700)
    monkeypatch.setattr(abilities_module, "ASKED", 0.2)
    async with asyncio.timeout(5):
        with pytest.raises(EngineError, match="does not answer"):
            await ProcessEngine(tmp_path, str(binary)).abilities()


async def test_of_a_binary_that_never_ends_to_talk_enough_is_read(tmp_path: Path) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text("#!/bin/sh\necho 'version: 1 (one)'\nyes\n")
    binary.chmod(0o700)
    async with asyncio.timeout(20):
        abilities = await ProcessEngine(tmp_path, str(binary)).abilities()
    assert abilities.version == "1 (one)"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": 1}', "\0"])
async def test_a_damaged_record_is_passed_over(bench: Bench, damage: str) -> None:
    folder = bench.folder / "engines"
    folder.mkdir()
    (folder / "process-x.json").write_text(damage)
    assert await bench.engine.running() == []


async def test_a_killed_one_is_seen(bench: Bench) -> None:
    running = await bench.start()
    await bench.ready(running)
    psutil.Process(bench.pid(running)).kill()
    async with asyncio.timeout(5):
        while (vitals := await bench.engine.vitals(running)).alive:
            await asyncio.sleep(0.01)
    assert vitals.exit_code == 137


async def test_one_that_cannot_load_ends_and_says_why(bench: Bench) -> None:
    bench.model.write_bytes(bench.model.read_bytes()[:100_000])
    running = await bench.start()
    lines = [line.text async for line in bench.engine.log(running)]
    vitals = await bench.engine.vitals(running)
    assert (vitals.alive, vitals.exit_code) == (False, 1)
    assert any("E" in line for line in lines)


async def test_the_log_is_resumed_without_loss_or_double(bench: Bench) -> None:
    running = await bench.start()
    await bench.ready(running)
    first = []
    async for line in bench.engine.log(running):
        first.append(line)
        if len(first) == 3:
            break
    await bench.engine.stop(running, 5)
    rest = [line.text async for line in bench.engine.log(running, first[-1].mark)]
    whole = [line.text async for line in bench.engine.log(running)]
    assert [line.text for line in first] + rest == whole


async def test_a_log_that_grows_too_large_is_cut(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "LOG_LIMIT", 500)
    running = await bench.start()
    await bench.ready(running)
    path = bench.folder / "engines" / f"process-{running.instance}.log"
    async with asyncio.timeout(10):
        async for line in bench.engine.log(running):
            if "serving" in line.text:
                break
    reading = asyncio.ensure_future(_last(bench, running))
    async with asyncio.timeout(10):
        while path.stat().st_size >= 500:
            await asyncio.sleep(0.01)
    await bench.engine.stop(running, 5)
    await reading


async def _last(bench: Bench, running: Running) -> list[str]:
    return [line.text async for line in bench.engine.log(running)]


async def test_a_binary_that_is_not_there(tmp_path: Path) -> None:
    engine = ProcessEngine(tmp_path, str(tmp_path / "nothing"))
    assert not (await engine.availability()).ready
    with pytest.raises(StudioError):
        await engine.abilities()


async def test_what_this_llama_server_knows(bench: Bench) -> None:
    abilities = await bench.engine.abilities()
    assert {"--ctx-size", "--no-kv-offload", "--temperature"} <= abilities.flags
    assert abilities.version != "unknown"


def test_flags_of_a_real_help() -> None:
    flags = flags_in(HELP.read_text())
    assert {"-c", "--ctx-size", "-ngl", "--no-kv-offload", "--fit", "--log-jsonl"} <= flags
    assert "--help" in flags
    assert not {"-1", "--no-mmap"} & flags


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version: 0.7.0 (11669)\nbuilt with cc", "0.7.0 (11669)"),
        ("noise\nversion: 8931 (9725a313b)\n", "8931 (9725a313b)"),
        ("", "unknown"),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert version_in(text) == version


async def test_a_build_is_asked_once_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch needs it twice, and to ask costs two starts."""
    binary, asked = tmp_path / "llama-server", tmp_path / "asked"
    binary.write_text(f'#!/bin/sh\necho "$1" >> {asked}\necho "version: 1 (one)"\n')
    binary.chmod(0o700)
    engine = ProcessEngine(tmp_path, str(binary))
    assert (await engine.abilities()).version == "1 (one)"
    assert (await engine.abilities()).version == "1 (one)"
    assert sorted(asked.read_text().split()) == ["--help", "--version"]
    binary.write_text('#!/bin/sh\necho "version: 22 (two)"\n')
    assert (await engine.abilities()).version == "22 (two)"


async def test_the_end_of_a_quiet_engine_is_seen_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("POLL", "QUIET", "GATHER"):
        monkeypatch.setattr(process_module, name, 60.0)
    running = await bench.start()
    await bench.ready(running)
    log = asyncio.ensure_future(_last(bench, running))
    await bench.engine.stop(running, 5)
    async with asyncio.timeout(10):
        assert await log
