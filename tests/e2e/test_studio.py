"""A day with the whole program as a user has it: commands, a studio, a real engine."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from tests.e2e.conftest import BOTH
from tests.e2e.seen import until_gone
from tests.e2e.user import User, chat
from tests.standins.nvml import FakeDriver


@pytest.mark.parametrize("kind", BOTH)
def test_a_day_with_it(user: User) -> None:
    assert user.run("status").code == 3
    assert user.ok("up", "one").out.startswith("one is ready at http://127.0.0.1:")
    status = user.ok("status", "--json").json
    assert (status["state"], status["profile"], status["desired"]) == ("ready", "one", "one")
    assert set(status) >= {"engine", "gateway", "api", "detail", "studio"}
    first = user.engine
    with user.gateway as gateway:
        answer = chat(gateway).json()
        assert (answer["model"], answer["usage"]["completion_tokens"] > 0) == ("one", True)
        assert user.ok("chat", "--max-tokens", "5", "Hello").out.strip()
        assert "two is ready" in user.ok("up", "two").out
        assert not first.alive
        assert chat(gateway).json()["model"] == "two"
        assert chat(gateway, model="one").json()["model"] == "one"  # asked for, so switched to
        assert "listening" in user.ok("logs").out
        assert [job["state"] for job in user.ok("jobs", "--json").json] == ["done"] * 3
        last = user.engine
        assert user.ok("down").out == "stopped\n"
        assert not last.alive
        assert user.status()["state"] == "stopped"
        assert chat(gateway).status_code == 503
    assert user.run("chat", "x").code == 3
    user.ok("shutdown")
    assert user.no_studio()


@pytest.mark.parametrize("kind", BOTH)
def test_a_studio_that_ends_leaves_the_model_to_the_next(user: User) -> None:
    user.ok("up", "one")
    engine, pid = user.engine, user.status()["studio"]["pid"]
    with user.direct() as direct:
        user.ok("shutdown")
        until_gone(pid)
        assert chat(direct).status_code == 200
    assert "one is ready" in user.ok("up", "one").out
    assert user.engine == engine
    assert user.status()["engine"]["adopted"]
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"
    user.ok("shutdown", "--stop-model")
    assert not engine.alive


def test_a_gpu_that_the_engine_does_not_use_is_told(user: User, tmp_path: Path) -> None:
    """The server inside the wheel knows no CUDA: what was planned for a GPU is not on it."""
    user.environment |= FakeDriver(tmp_path / "driver", lines=["count 1"]).environment
    assert "GPU 0" in user.ok("show", "one").out
    user.ok("up", "one")
    assert "on the processor alone" in user.status()["detail"]
    assert "on the processor alone" in user.ok("logs").out


def test_a_model_that_cannot_be_served_leaves_the_present_one_alone(user: User) -> None:
    user.serve()
    user.up("one")
    engine = user.engine
    whole = (user.models / "tiny.gguf").read_bytes()
    (user.models / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    user.profile("cut", file="cut.gguf")
    user.profile("absent", file="absent.gguf")
    for id_, why in (("cut", "cut short"), ("absent", "is not here")):
        refused = user.run("up", id_)
        assert (refused.code, why in refused.err) == (1, True), refused.err
    status = user.status()
    assert (status["state"], status["profile"], status["desired"]) == ("ready", "one", "one")
    assert user.engine == engine


@pytest.mark.parametrize("kind", BOTH)
def test_a_failed_switch_goes_back_to_the_last_good_profile(user: User) -> None:
    user.serve()
    user.up("one")
    user.profile("bad", 'chat_template = "{{ broken"\n')
    failed = user.run("up", "bad")
    assert failed.code == 1
    assert "template" in failed.err
    status = user.status()
    assert (status["state"], status["profile"], status["desired"]) == ("ready", "one", "one")
    assert "went back" in status["detail"]
    assert "template" in status["failure"]["what"]
    shown = user.ok("status").out
    assert "went back to one" in shown
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"


def test_no_secret_is_seen(user: User) -> None:
    """The engine's key is in no process list, log or status; nor is what was asked."""
    user.serve()
    user.up("one")
    with user.gateway as gateway:
        chat(gateway, "canary-of-a-prompt")
    status = user.status()
    (key_file,) = (user.state / "engines").glob("*.key")
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key not in json.dumps(status)
    assert key not in user.engine.command_line()
    assert not {key, "canary-of-a-prompt"} & set(user.log().split())
    kept = [path for path in user.state.rglob("*") if path.is_file() and path != key_file]
    kept = [path for path in kept if not path.name.startswith("process-")]  # 0600 too
    for path in kept:
        assert key.encode() not in path.read_bytes(), path
        assert b"canary-of-a-prompt" not in path.read_bytes(), path


def test_the_token_is_private_and_opens_the_api(user: User) -> None:
    user.serve()
    token = user.ok("token").out.strip()
    assert (user.state / "token").stat().st_mode & 0o777 == 0o600
    assert (user.state / "studio.sock").stat().st_mode & 0o777 == 0o600
    with httpx.Client(base_url=user.status()["api"], trust_env=False) as api:
        assert api.get("/status").status_code == 200
        assert api.post("/stop").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert api.post("/stop", headers=headers).status_code == 200
        assert api.post("/stop", headers={"Authorization": "Bearer x"}).status_code == 401
