"""The whole program as a user has it: commands, a studio in the background, a real engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.standins.tiny_model import write_tiny_llama

PROFILE = '[model]\nfile = "tiny.gguf"\n[engine]\nkind = "process"\n[server]\ncontext = 4096\n'


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class User:
    """Somebody at a shell, with a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(home),
            "LLM_STUDIO_HOME": str(home),
            "LLM_STUDIO_GATEWAY_PORT": "0",
            "LLM_STUDIO_API_PORT": "0",
        }

    def run(self, *words: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "llm_studio", *words],
            env=self.environment, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str) -> Result:
        result = self.run(*words)
        assert result.code == 0, result.err
        return result

    def status(self) -> Any:
        return self.run("status", "--json").json

    def engine(self) -> psutil.Process:
        return psutil.Process(int(self.status()["engine"]["detail"].split()[1]))

    def until(self, state: str, **also: Any) -> Any:
        """Follows the studio's own events until it is so."""
        from llm_studio.client import Client
        from llm_studio.place import socket_path

        for name, data in Client(socket_path(self.home / "state")).events():
            wanted = {"state": state, **also}
            if name == "status" and all(data[key] == value for key, value in wanted.items()):
                return data
        raise AssertionError("the studio ended")

    def profile(self, id_: str, text: str = "") -> None:
        path = self.home / "profiles" / f"{id_}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'name = "{id_}"\n' + (text or PROFILE))


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    user = User(tmp_path)
    (tmp_path / "models").mkdir()
    write_tiny_llama(tmp_path / "models/tiny.gguf")
    user.profile("one")
    user.profile("two")
    yield user
    user.run("shutdown", "--stop-model")


def ask(address: str, prompt: str = "Hi") -> Any:
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 8}
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_a_day_with_it(user: User) -> None:
    assert user.run("status").code == 3
    assert user.ok("up", "one").out.startswith("one is ready at http://127.0.0.1:")
    status = user.status()
    assert (status["state"], status["profile"], status["desired"]) == ("ready", "one", "one")
    assert set(status) >= {"engine", "gateway", "api", "detail", "studio"}
    answer = ask(status["gateway"])
    assert answer["usage"]["completion_tokens"] > 0
    assert user.ok("chat", "--max-tokens", "5", "Hello").out.strip()
    assert "two is ready" in user.ok("up", "two").out
    assert ask(status["gateway"])["model"] == "two"
    assert "listening" in user.ok("logs").out
    jobs = user.ok("jobs", "--json").json
    assert [job["state"] for job in jobs] == ["done", "done"]
    assert user.ok("down").out == "stopped\n"
    assert user.status()["state"] == "stopped"
    assert user.run("chat", "x").code == 3
    user.ok("shutdown")
    assert user.status()["studio"] is None


def test_the_studio_is_one_for_a_home(user: User) -> None:
    user.ok("up", "one")
    second = user.run("serve")
    assert (second.code, "runs already" in second.err) == (3, True)
    assert user.status()["state"] == "ready"


def test_a_killed_engine_comes_back(user: User) -> None:
    user.ok("up", "one")
    user.engine().kill()
    failed = user.until("failed")
    assert failed["failure"]["exit_code"] == 137
    user.until("ready", profile="one")
    assert ask(user.status()["gateway"])["model"] == "one"


def test_a_killed_studio_is_replaced_and_the_model_goes_on(user: User) -> None:
    user.ok("up", "one")
    before = user.status()
    engine = user.engine()
    os.kill(before["studio"]["pid"], signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(before["studio"]["pid"]).wait(10)
    after = user.status()
    assert (after["state"], after["engine"]["adopted"]) == ("ready", True)
    assert after["studio"]["pid"] != before["studio"]["pid"]
    assert user.engine().pid == engine.pid
    assert ask(after["gateway"])["model"] == "one"
    user.ok("down")
    assert not engine.is_running()


def test_a_studio_that_ends_leaves_the_model_to_the_next(user: User) -> None:
    user.ok("up", "one")
    engine = user.engine()
    user.ok("shutdown")
    assert engine.is_running()
    assert "one is ready" in user.ok("up", "one").out
    assert user.engine().pid == engine.pid


def test_a_model_that_cannot_be_served_leaves_the_present_one_alone(user: User) -> None:
    user.ok("up", "one")
    engine = user.engine()
    whole = (user.home / "models/tiny.gguf").read_bytes()
    (user.home / "models/cut.gguf").write_bytes(whole[: len(whole) // 2])
    user.profile("cut", '[model]\nfile = "cut.gguf"\n[engine]\nkind = "process"\n')
    refused = user.run("up", "cut")
    assert refused.code == 1
    assert "cut short" in refused.err
    assert user.engine().pid == engine.pid


def test_a_failed_switch_goes_back_to_the_last_good_profile(user: User) -> None:
    user.ok("up", "one")
    user.profile("bad", PROFILE + 'chat_template = "{{ broken"\n')
    failed = user.run("up", "bad")
    assert failed.code == 1
    assert "template" in failed.err
    status = user.status()
    assert (status["state"], status["profile"]) == ("ready", "one")
    assert "went back" in status["detail"]
    assert ask(status["gateway"])["model"] == "one"


@pytest.mark.parametrize(("words", "code"), [(("up", "nosuch"), 4), (("up",), 2)])
def test_what_cannot_be_asked(user: User, words: tuple[str, ...], code: int) -> None:
    assert user.run(*words).code == code


def test_a_taken_port_is_told(user: User) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        user.environment["LLM_STUDIO_API_PORT"] = str(other.getsockname()[1])
        refused = user.run("up", "one")
    assert refused.code == 1
    assert "cannot be used" in refused.err
    assert "api_port" in refused.err


def test_the_token_is_private_and_opens_the_api(user: User) -> None:
    user.ok("up", "one")
    token = user.ok("token").out.strip()
    assert (user.home / "state/token").stat().st_mode & 0o777 == 0o600
    assert (user.home / "state/studio.sock").stat().st_mode & 0o777 == 0o600
    request = urllib.request.Request(f"{user.status()['api']}/stop", b"", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=10)
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_no_secret_is_seen(user: User) -> None:
    """The engine's key is in no process list, log or status."""
    user.ok("up", "one")
    ask(user.status()["gateway"])
    (key_file,) = (user.home / "state/engines").glob("*.key")
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key not in " ".join(user.engine().cmdline())
    assert key not in user.ok("logs", "-n", "10000").out
    assert key not in json.dumps(user.status())
