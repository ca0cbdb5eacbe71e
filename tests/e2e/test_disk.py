"""A disk that is full: what serves goes on, what cannot be done is told, and nothing is torn."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.user import User, chat


@pytest.fixture
def disk(user: User) -> Iterator[Path]:
    """The studio's own folder on a disk of 4 MiB."""
    user.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(user.state)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk of its own for the test (it needs root): {done.stderr.strip()}")
    yield user.state
    user.close()
    subprocess.run(["umount", "--lazy", str(user.state)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass
    assert os.statvfs(disk).f_bavail == 0
    return filler


def test_a_disk_that_fills_while_a_model_is_served(user: User, disk: Path) -> None:
    user.serve()
    user.up("one")
    engine = user.engine
    filler = fill(disk)
    with user.gateway as gateway:
        for _ in range(20):
            assert chat(gateway).status_code == 200
        refused = user.run("up", "two")
        assert (refused.code, "full" in refused.err) == (1, True), refused.err
        assert "→" in refused.err
        status = user.status()
        assert (status["state"], status["profile"]) == ("ready", "one")
        assert user.engine == engine
        assert [job["state"] for job in user.ask("GET", "/jobs")] == ["done", "failed"]
        filler.unlink()
        assert "two is ready" in user.ok("up", "two").out
        assert chat(gateway).json()["model"] == "two"
    user.ok("shutdown")
    user.ok("up")
    assert user.status()["engine"]["adopted"]


def test_a_studio_that_starts_on_a_full_disk(user: User, disk: Path) -> None:
    filler = fill(disk)
    for words in (("up", "one"), ("serve",)):
        refused = user.run(*words)
        assert refused.code == 1
        assert "space" in refused.err
        assert "Traceback" not in refused.err
    filler.unlink()
    user.ok("up", "one")
