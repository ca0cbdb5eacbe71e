"""The lock of a home: one holds it, everybody can see that, and any end frees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_studio.errors import NotReady, StudioError
from llm_studio.lock import held, holder, only_one, until_free

HOLD = """
import sys
from pathlib import Path
from llm_studio.lock import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nobody_holds_it_at_first(tmp_path: Path) -> None:
    assert not held(tmp_path / "state")
    assert holder(tmp_path / "state") is None
    assert until_free(tmp_path / "state", 0)


def test_one_holds_it_and_a_second_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path / "state"):
        assert holder(tmp_path / "state") == os.getpid()
        with pytest.raises(NotReady, match="runs already"), only_one(tmp_path / "state"):
            pass
    with only_one(tmp_path / "state"):
        assert held(tmp_path / "state")
    assert not held(tmp_path / "state")
    assert (tmp_path / "state/studio.lock").stat().st_mode & 0o777 == 0o600


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holder(tmp_path) == process.pid
        assert not until_free(tmp_path, 0.05)
        killing = threading.Timer(0.05, process.kill)
        killing.start()
        assert until_free(tmp_path, 10)
        assert holder(tmp_path) is None


def test_who_only_looks_refuses_nobody(tmp_path: Path) -> None:
    """A look holds it for a moment too; a studio that starts just then is not refused."""
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            held(tmp_path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(50):
            with only_one(tmp_path):
                pass
    finally:
        ended.set()
        looking.join()


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="Nothing can be kept"), only_one(tmp_path / "file/state"):
        pass
