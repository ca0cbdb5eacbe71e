"""Studios that are killed, or meet another one: the model serves on, and the next one knows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.e2e.conftest import BOTH
from tests.e2e.seen import LIMIT, until_gone
from tests.e2e.user import User, chat, line_of, talking

from llm_studio.client import Unreachable


@pytest.mark.parametrize("kind", BOTH)
def test_a_killed_studio_is_replaced_and_no_request_to_the_engine_is_lost(user: User) -> None:
    user.serve()
    user.up("one")
    before, engine = user.status(), user.engine
    with user.direct() as direct, talking(direct, tokens=1000) as lines:
        user.kill_studio()
        shown = user.ok("status", "--json")
        assert "had died" in shown.err
        after = shown.json
        assert (after["state"], after["profile"], after["desired"]) == ("ready", "one", "one")
        assert after["engine"]["adopted"]
        assert after["studio"]["pid"] != before["studio"]["pid"]
        assert user.engine == engine
        with user.gateway as gateway:
            assert chat(gateway).json()["model"] == "one"
        told = [line for line in lines if line]
        assert told[-1] == "data: [DONE]"
        assert '"finish_reason":"length"' in told[-2] + told[-3]
    assert "listening" in user.log()  # what the engine said before is read again
    user.ok("down")
    assert not engine.alive


@pytest.mark.parametrize("kind", BOTH)
def test_a_studio_that_is_killed_while_a_model_loads(user: User) -> None:
    """The engine does not even listen yet; the next studio waits for it."""
    gate = user.hold()
    studio = user.serve()
    with user.watching() as watching:
        job = user.switch("held")
        engine = user.engine_of(watching.until_loading("held")["engine"])
    os.kill(studio.pid, signal.SIGKILL)
    studio.wait(10)
    assert user.run("status").code == 3  # loading still
    status = user.status()
    assert (status["state"], status["profile"], status["desired"]) == ("loading", "held", "held")
    assert user.engine == engine
    jobs = {each["id"]: each["state"] for each in user.ask("GET", "/jobs")}
    assert jobs.pop(job["id"]) == "interrupted"
    assert list(jobs.values()) == ["running"]
    gate.open()
    user.until(state="ready", profile="held")
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "held"
    assert user.engine == engine


def test_a_studio_that_is_killed_while_requests_drain(user: User) -> None:
    """Nothing was stopped yet: the old model serves on, and the switch is told as interrupted."""
    studio = user.serve()
    user.up("one")
    engine = user.engine
    with user.direct() as direct, user.gateway as gateway, talking(gateway):
        up = user.begin("up", "two")
        user.until(state="draining")
        with talking(direct, tokens=1000) as lines:
            os.kill(studio.pid, signal.SIGKILL)
            told = up.communicate(timeout=30)[1]
            assert (up.returncode, "The studio ended" in told) == (1, True), told
            assert "Traceback" not in told
            again = user.ok("up", "one")
            assert "one is ready" in again.out
            assert list(lines)[-2:] == ["data: [DONE]", ""]
    assert user.engine == engine
    assert [job["state"] for job in user.ask("GET", "/jobs")] == ["done", "interrupted"]


def test_a_studio_that_is_killed_between_two_models(user: User) -> None:
    """The old one has ended and the new one is not ready: the new one is waited for."""
    gate = user.hold()
    studio = user.serve()
    user.up("one")
    with user.watching() as watching:
        user.switch("held")
        engine = user.engine_of(watching.until_loading("held")["engine"])
    os.kill(studio.pid, signal.SIGKILL)
    studio.wait(10)
    up = user.begin("up", "held")  # joins what is under way
    assert "had died" in line_of(up, up.stderr)
    assert line_of(up, up.stderr)  # it follows the load
    gate.open()
    out, told = up.communicate(timeout=30)
    assert (up.returncode, "held is ready" in out) == (0, True), told
    assert user.engine == engine


def test_an_engine_that_died_while_no_studio_ran(user: User) -> None:
    studio = user.serve()
    user.up("one")
    engine = user.engine
    os.kill(studio.pid, signal.SIGKILL)
    studio.wait(10)
    engine.kill()
    status = user.run("status", "--json").json
    assert (status["state"], status["engine"]) == ("stopped", None)
    assert not list((user.state / "engines").iterdir())
    assert user.ok("up").out.startswith("one is ready")  # the one that was served last


def test_two_studios_of_one_home(user: User) -> None:
    """A second one in the foreground is refused; commands at once share one."""
    both = [user.begin("up", "one") for _ in range(2)]
    told = [process.communicate(timeout=30) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert [out.startswith("one is ready") for out, _ in told] == [True, True]
    second = user.run("serve")
    assert (second.code, "runs already" in second.err) == (3, True)
    assert "→" in second.err
    assert user.status()["state"] == "ready"
    assert len(user.ask("GET", "/jobs")) == 1


def test_a_command_that_goes_away_leaves_the_studio_that_it_starts(user: User) -> None:
    """As with a terminal that is lost in the first second."""
    reading, writing = os.pipe()
    studio = user.begin(
        "serve", "--ready-fd", str(writing),
        pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    while studio.poll() is None:
        with contextlib.suppress(Unreachable):
            assert user.up("one")["state"] == "done"
            break
    assert studio.poll() is None
    assert user.status()["studio"]["pid"] == studio.pid


def test_a_socket_that_was_left_behind(user: User) -> None:
    user.state.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(user.state / "studio.sock"))
    shown = user.run("status")
    assert (shown.code, "had died" in shown.err) == (3, True)
    assert "stopped" in shown.out
    mode = (user.state / "studio.sock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_studio_that_hangs(user: User) -> None:
    """It is told as such, ended by force when that is wanted, and its model goes on."""
    studio = user.serve()
    user.up("one")
    engine = user.engine
    os.kill(studio.pid, signal.SIGSTOP)
    usual = user.environment["PYTHONPATH"]
    become(
        user,
        "from llm_studio.cli import glance, shutdown\nglance.LIMIT = shutdown.PATIENCE = 0.5\n",
    )
    asked = user.run("status")
    assert (asked.code, "does not answer" in asked.err) == (1, True), asked.err
    assert "llm-studio shutdown" in asked.err
    assert "was killed" in user.ok("shutdown").err
    assert studio.wait(LIMIT) == -signal.SIGKILL
    user.environment["PYTHONPATH"] = usual
    assert "one is ready" in user.ok("up", "one").out
    assert user.engine == engine


def test_a_program_of_another_version(user: User) -> None:
    """It is told once on stderr, with what to do; results stay results."""
    user.serve()
    become(user, "import llm_studio\nllm_studio.__version__ = '99.0'\n")
    for words in (
        ("status",),
        ("status", "--json"),
        ("up", "one"),
        ("chat", "--max-tokens", "3", "Hi"),
    ):
        done = user.run(*words)
        assert done.err.count("99.0") == 1, (words, done.err)
        assert "llm-studio shutdown" in done.err
        assert "99.0" not in done.out
    user.ok("shutdown")
    assert "99.0" not in user.ok("up", "one").err  # the next studio is of the same version


def test_a_program_that_does_not_understand_the_studio(user: User) -> None:
    user.serve()
    become(user, "from llm_studio import client\nclient.answer_of = lambda raw: {'new': {}}\n")
    refused = user.run("jobs")
    assert "Traceback" in refused.err  # a defect, as long as both are of one version
    become(
        user,
        "import llm_studio\nllm_studio.__version__ = '99.0'\nfrom llm_studio import client\n"
        "told = client.answer_of\nclient.answer_of = lambda raw: told(raw) or {'new': {}}\n",
    )
    refused = user.run("jobs")
    assert (refused.code, "Traceback" in refused.err) == (1, False), refused.err
    assert "99.0" in refused.err
    assert "llm-studio shutdown" in refused.err


def become(user: User, code: str) -> None:
    """From now on the user's program, but not the studio that runs, is another one."""
    folder = user.home / "other"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    user.environment["PYTHONPATH"] = f"{folder}{os.pathsep}{user.environment['PYTHONPATH']}"


def test_what_was_done_is_kept_over_a_power_cut(user: User) -> None:
    """A journal with half a line, records and a log that were cut: the next studio starts."""
    studio = user.serve()
    user.up("one")
    os.kill(studio.pid, signal.SIGKILL)
    studio.wait(10)
    engine = json.loads(next((user.state / "engines").glob("*.json")).read_text())
    os.kill(engine["pid"], signal.SIGKILL)
    until_gone(engine["pid"])
    _cut(user.state / "jobs.jsonl", b'{"kind": "switch", "ti')
    _cut(user.state / "logs/studio.log", b"2026-11-21T10:00:00Z eng")
    (user.state / "engines/process-0123.json").write_bytes(b"{")
    (user.state / "studio.lock").write_bytes(b"")
    user.serve()
    assert [job["state"] for job in user.ask("GET", "/jobs")] == ["done"]
    assert user.up("one")["state"] == "done"


def _cut(path: Path, end: bytes) -> None:
    with path.open("ab") as file:
        file.write(end)


def test_a_port_that_is_taken(user: User) -> None:
    for setting, port in (("api_port", "API_PORT"), ("gateway_port", "GATEWAY_PORT")):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            number = str(other.getsockname()[1])
            user.environment[f"LLM_STUDIO_{port}"] = number
            for words in (("up", "one"), ("serve",)):
                refused = user.run(*words)
                assert refused.code == 1
                assert number in refused.err
                assert setting in refused.err
                assert "Traceback" not in refused.err
        user.environment[f"LLM_STUDIO_{port}"] = "0"
    user.serve()
    with httpx.Client(base_url=user.status()["api"], trust_env=False) as api:
        assert api.get("/status").json()["state"] == "stopped"
