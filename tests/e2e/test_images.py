"""Images from the command line: pulled, taken into use, back, tested, and cleaned up."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator

import pytest
from tests.e2e.seen import LIMIT
from tests.e2e.user import User
from tests.standins.engine_truth import IMAGE, require_engine
from tests.standins.registry import Registry, kept_clean

pytestmark = pytest.mark.engine


@pytest.fixture
def registry() -> Iterator[Registry]:
    require_engine()
    with kept_clean(Registry()) as registry:
        yield registry


def push(registry: Registry, tag: str) -> str:
    """The name of an image that no test had before."""
    registry.push("llama", tag, uuid.uuid4().bytes * 40_000)
    return f"{registry.address}/llama:{tag}"


def test_an_image_is_got_used_and_left_again(user: User, registry: Registry) -> None:
    listing = user.ok("image", "list", "--json").json
    assert listing["engine"] == "llm-studio/llama.cpp:cpu"
    assert listing["recommended_why"]
    one, two = push(registry, "one"), push(registry, "two")
    pulled = user.ok("image", "pull", one)
    assert f"{one} is here" in pulled.out
    assert "image check" in pulled.err
    assert user.ok("image", "pull", two, "--json").json["state"] == "done"
    used = user.ok("image", "use", one)
    assert used.out == f"{one} is in use.\n"
    assert "not been tested" in used.err
    user.ok("image", "use", two)
    states = {
        image["name"]: image["state"] for image in user.ok("image", "list", "--json").json["images"]
    }
    assert (states[two], states[one]) == ("in use", "before")
    assert user.ok("image", "rollback").out == f"{one} is in use.\n"
    assert user.ask("GET", "/images")["engine"] == one
    user.ok("image", "use", IMAGE)
    assert two in user.ok("image", "prune").out
    left = [image["name"] for image in user.ok("image", "list", "--json").json["images"]]
    assert one in left
    assert two not in left


def test_the_image_in_use_is_the_one_that_serves(user: User) -> None:
    require_engine()
    user.kind = "docker"
    user.profile("one")
    user.ok("image", "use", IMAGE)
    user.ok("up", "one")
    user.ok("chat", "--max-tokens", "4", "Hi")
    record = user.ask("GET", "/requests")[-1]
    in_use = user.ok("image", "list", "--json").json["images"][0]
    assert (in_use["state"], record["image"]) == ("in use", in_use["id"])
    assert IMAGE in user.ask("GET", "/status")["engine"]["detail"]


def test_a_test_of_an_image_is_remembered(user: User) -> None:
    require_engine()
    told = user.ok("image", "check", IMAGE)
    assert "tool call\tpassed" in told.out
    assert "has passed" in told.out
    [image] = [each for each in user.ask("GET", "/images")["images"] if each["name"] == IMAGE]
    assert image["check"]["passed"]
    assert "not been tested" not in user.ok("image", "use", IMAGE).err


def test_ctrl_c_leaves_a_pull_going(user: User, registry: Registry) -> None:
    name = push(registry, "slow")
    registry.stalled = set(registry.blobs)
    user.ok("image", "list")
    user.serve()
    watching = user.begin("image", "pull", name)
    assert registry.half_sent.wait(LIMIT)
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=LIMIT)
    assert watching.returncode == 130
    assert "goes on in the studio" in said
    [job] = user.ask("GET", "/jobs")
    assert (job["state"], job["kind"]) == ("running", "image-pull")
    assert f"jobs cancel {job['id']}" in said
    user.ok("jobs", "cancel", job["id"])
    assert user.ask("GET", f"/jobs/{job['id']}?wait=true")["state"] == "cancelled"


def test_what_goes_wrong_is_told(user: User, registry: Registry) -> None:
    name = push(registry, "secret")
    registry.refusal = 401
    refused = user.run("image", "pull", name)
    assert refused.code == 1
    assert "The registry does not let you have this image" in refused.err
    assert "docker login" in refused.err
    assert user.run("image", "rollback").code == 3
    assert user.run("image", "use", "nothing").code == 4
    assert user.run("image", "pull", "nginx").code == 2
    assert user.run("image", "build", "cpu", "--arg", "WORD").code == 2
    assert user.run("image", "build", "cup").code == 4
    unknown = user.run("image", "build", "cuda", "--arg", "CUDA_VERISON=12")
    assert (unknown.code, "'CUDA_VERSION'" in unknown.err) == (2, True)
    user.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    gone = user.run("image", "list")
    assert gone.code == 1
    assert "Docker is not running" in gone.err
