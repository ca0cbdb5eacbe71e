"""Many switches at once with real containers: one runs, and there are never two."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.e2e.user import User

from llm_studio.client import Client
from llm_studio.engines.docker.container import STUDIO
from llm_studio.engines.registry import home_label
from llm_studio.errors import NotReady
from llm_studio.place import socket_path
from llm_studio.settings import load_settings

pytestmark = pytest.mark.engine


@pytest.fixture
def kind() -> str:
    return "docker"


def test_twenty_switches_at_once(user: User) -> None:
    user.hold()
    user.serve()
    user.up("one")
    label = home_label(load_settings(user.environment))

    def ask(id_: str) -> Any:
        try:
            return Client(socket_path(user.state)).ask("POST", "/switch", {"model": id_})
        except NotReady as refused:
            return refused

    with user.watching() as watching, ThreadPoolExecutor(20) as pool:
        first = user.switch("held")
        watching.until_loading("held")
        answers = list(pool.map(ask, ["held", "two"] * 10))
    joined, refused = answers[::2], answers[1::2]
    assert {answer["job"]["id"] for answer in joined} == {first["id"]}
    assert all(isinstance(answer, NotReady) and "held" in answer.what for answer in refused)
    assert all(f"jobs cancel {first['id']}" in answer.hint for answer in refused)
    listed = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"label={STUDIO}={label}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(listed.stdout.split()) == 1
    user.ok("jobs", "cancel", first["id"])
    user.ended(first)
    assert user.up("two")["state"] == "done"
