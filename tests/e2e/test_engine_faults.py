"""Engines that die, hang or lose their files: what the user sees, and that it is mended."""

from __future__ import annotations

import httpx
import pytest
from tests.e2e.conftest import BOTH
from tests.e2e.seen import ContainerHandle
from tests.e2e.user import User, chat, line_of, talking


@pytest.mark.parametrize("kind", BOTH)
def test_a_killed_engine_is_told_and_comes_back(user: User) -> None:
    user.serve()
    user.up("one")
    before = user.engine
    with user.gateway as gateway, user.watching() as watching:
        with talking(gateway) as lines:
            before.kill()
            with pytest.raises(httpx.HTTPError):  # cut, and neither left hanging nor ended well
                list(lines)
        failed = watching.until(state="failed")
        assert (failed["profile"], failed["desired"]) == ("one", "one")
        assert failed["failure"]["exit_code"] == 137
        assert failed["failure"]["what"]
        watching.until_detail("starts again")
        assert watching.until(state="ready")["engine"]["instance"] not in str(before)
        assert chat(gateway).json()["model"] == "one"
    assert not before.alive
    assert [job["kind"] for job in user.ask("GET", "/jobs")] == ["switch", "restart"]


@pytest.mark.parametrize("kind", BOTH)
def test_an_engine_that_is_killed_while_it_loads(user: User) -> None:
    user.hold()
    user.serve()
    with user.watching() as watching:
        job = user.switch("held")
        loading = watching.until_loading("held")
        user.engine_of(loading["engine"]).kill()
        failed = watching.until(state="failed")
    assert (failed["profile"], failed["engine"]) == ("held", None)
    assert failed["failure"]["exit_code"] == 137
    job = user.ended(job)
    assert (job["state"], bool(job["error"])) == ("failed", True)
    shown = user.run("status")
    assert shown.code == 3
    assert failed["failure"]["what"] in shown.out
    with user.gateway as gateway:
        assert chat(gateway).status_code == 503
    assert user.up("one")["state"] == "done"


@pytest.mark.parametrize("kind", BOTH)
def test_an_engine_that_is_killed_in_a_switch_brings_the_last_good_one_back(user: User) -> None:
    user.hold()
    user.serve()
    user.up("one")
    with user.watching() as watching:
        up = user.begin("up", "held")
        loading = watching.until_loading("held")
        user.engine_of(loading["engine"]).kill()
        ready = watching.until(state="ready", profile="one")
        told = up.communicate(timeout=30)[1]
    assert up.returncode == 1
    assert ready["desired"] == "one"
    assert "error: " in told
    status = user.status()
    assert "went back to one" in status["detail"]
    assert status["failure"]["exit_code"] == 137
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["docker"])
def test_a_container_that_somebody_removes(user: User) -> None:
    user.serve()
    user.up("one")
    before = user.engine
    assert isinstance(before, ContainerHandle)
    with user.watching() as watching:
        before.remove()
        failed = watching.until(state="failed")
        told = failed["failure"]
        assert "removed" in f"{told['what']} {told['why']} {told['hint']}"
        watching.until(state="ready", profile="one")
    assert user.engine != before
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == "one"


def test_a_model_file_that_is_deleted_and_cut_while_it_is_served(user: User) -> None:
    """What runs serves on; a switch to it and a restart say what is wrong."""
    user.serve()
    user.up("one")
    file = user.models / "tiny.gguf"
    whole = file.read_bytes()
    file.unlink()
    with user.gateway as gateway:
        assert chat(gateway).status_code == 200
        refused = user.run("up", "two")
        assert (refused.code, "is not here" in refused.err) == (1, True), refused.err
        assert chat(gateway).json()["model"] == "one"
    with user.watching() as watching:
        user.engine.kill()
        watching.until(state="failed")
        failed = watching.until(state="failed", detail="")
    assert (failed["state"], failed["profile"]) == ("failed", "one")
    assert "is not here" in failed["failure"]["what"]
    file.write_bytes(whole[:-1000])
    refused = user.run("up", "one")
    assert (refused.code, "cut short" in refused.err) == (1, True), refused.err
    file.write_bytes(whole)
    assert user.up("one")["state"] == "done"


def test_an_engine_that_never_gets_ready(user: User) -> None:
    """It shows no sign of life for as long as that may last."""
    user.hold()
    user.environment["LLM_STUDIO_STALL_LIMIT"] = "1"
    user.serve()
    failed = user.run("up", "held")
    assert failed.code == 1
    assert "does not load on" in failed.err
    assert "→" in failed.err
    status = user.status()
    assert (status["state"], status["engine"]) == ("failed", None)
    assert not list((user.state / "engines").iterdir())


@pytest.mark.parametrize("kind", BOTH)
def test_a_load_is_cancelled(user: User) -> None:
    user.hold()
    user.serve()
    with user.watching() as watching:
        job = user.switch("held")
        engine = user.engine_of(watching.until_loading("held")["engine"])
        assert user.ok("jobs", "cancel", job["id"]).out
        watching.until(state="stopped")
    assert not engine.alive
    assert user.ended(job)["state"] == "cancelled"
    assert user.up("one")["state"] == "done"


def test_down_while_it_loads(user: User) -> None:
    user.hold()
    user.serve()
    up = user.begin("up", "held")
    with user.watching() as watching:
        engine = user.engine_of(watching.until_loading("held")["engine"])
    assert user.ok("down").out == "stopped\n"
    told = up.communicate(timeout=30)[1]
    assert (up.returncode, "cancelled" in told) == (1, True), told
    assert not engine.alive
    status = user.status()
    assert (status["state"], status["desired"], status["profile"]) == ("stopped", None, None)


def test_requests_wait_for_a_model_that_loads(user: User) -> None:
    gate = user.hold()
    user.serve()
    with user.watching() as watching:
        user.switch("held")
        watching.until_loading("held")
        asking = user.begin("chat", "--max-tokens", "4", "Hello")
        user.until_counted(waiting=1)
        gate.open()
        watching.until(state="ready")
        assert line_of(asking).strip()
        assert asking.wait(30) == 0
