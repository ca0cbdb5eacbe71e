"""`llm-studio status` asked of a studio that runs: as fast as Python starts, and no less right."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Home, Run

from llm_studio import __version__
from llm_studio.cli import workspace
from llm_studio.cli.glance import glance, written
from llm_studio.cli.output import print_json
from llm_studio.models.fit import Host
from llm_studio.models.memory import Device, GiB
from llm_studio.place import socket_name, socket_path, state_folder
from llm_studio.profiles.plan import Machine
from llm_studio.settings import Paths

APP = Path(__file__).parents[2] / "app"
STATUS: dict[str, Any] = {
    "state": "ready", "profile": "tiny", "desired": "tiny", "engine": None, "detail": "",
    "gateway": "http://127.0.0.1:8080", "api": "http://127.0.0.1:8081", "stage": None,
    "progress": None, "failure": None, "since": 1.0, "version": 3, "running": 0, "waiting": 0,
    "beside": [], "studio": {"pid": 7, "version": __version__, "since": 1.0},
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@contextmanager
def studio(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Something at the studio's socket that always answers the same."""
    asked: list[bytes] = []
    ended = threading.Event()

    def serve() -> None:
        while True:
            client, _ = listener.accept()
            with client:
                if ended.is_set():
                    return
                asked.append(client.recv(65_536))
                client.sendall(answer)

    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            ended.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()
            path.unlink()


def told(content: object, status: int = 200) -> bytes:
    return b"HTTP/1.0 %d OK\r\nServer: x\r\n\r\n" % status + json.dumps(content).encode()


def test_the_list_tells_what_is_served_and_counts_its_memory_as_free(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.model()
    home.profile("mine", 'name = "Mine"\n[model]\nfile = "tiny.gguf"\n')
    taken = Machine((Device("GPU 0", 24 * GiB, GiB, "GPU-1"),), Host(32 * GiB, 16 * GiB))
    monkeypatch.setattr(workspace, "this_machine", lambda *_, **__: taken)

    def listed(status: object, code: int = 200) -> tuple[str, str]:
        with studio(socket_path(home.state), told(status, code)):
            [mine] = [each for each in run("list", "--json").json if each["id"] == "mine"]
            return mine["state"], mine["fit"]

    served = STATUS | {"profile": "mine", "held": {"GPU-1": 20 * GiB}}
    assert listed(served) == ("ready", "one-gpu")
    with studio(socket_path(home.state), told(served)):
        assert "\tGPU 0, ready\t" in run("list", "--here").out
        assert "GPU 0" in run("show", "mine").out.partition("Fit: ")[2]
    nothing = STATUS | {"profile": None, "state": "stopped", "held": {}}
    assert listed(nothing) == listed({}, code=500) == ("available", "too-big")
    beside = nothing | {"beside": [STATUS | {"profile": "mine", "state": "loading"}]}
    assert listed(beside) == ("loading", "too-big")


@pytest.mark.parametrize("words", [["status"], ["status", "--json"]])
def test_it_imports_next_to_nothing(home: Home, words: list[str]) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(APP)!r}); before = set(sys.modules)\n"
        "from llm_studio.cli import main\n"
        f"code = main({words!r})\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    with studio(socket_path(home.root / "state"), told(STATUS)) as asked:
        done = subprocess.run(
            [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert asked[0].startswith(b"GET /status HTTP/1.0\r\nHost: studio\r\n")
    assert "tiny" in done.stdout
    own = {name for name in done.stderr.split() if name.startswith("llm_studio")}
    others = set(done.stderr.split()) - own
    assert others <= {"__future__", "errno", "_json", "_socket", "encodings.idna"}
    assert len(own) <= 9
    if words[1:]:
        assert json.loads(done.stdout) == STATUS


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n{", b"HTTP/1.0 200 OK\r\n\r\n[1]",
        b"HTTP/1.0 200 OK\r\n\r\n\xff", b"\0" * 100, told({"title": "No"}, 500),
        b'HTTP/1.0 200 OK\r\n\r\n{"a": nothing}',
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_long_way(tmp_path: Path, answer: bytes) -> None:
    with studio(tmp_path / "socket", answer):
        assert glance(str(tmp_path / "socket"), "/status") is None


def test_nobody_there(tmp_path: Path) -> None:
    assert glance(str(tmp_path / "socket"), "/status") is None
    assert glance(str(tmp_path / ("x" * 200)), "/status") is None


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_values_are_written_as_everywhere(value: dict[str, Any]) -> None:
    for encoding in ("utf-8", "ascii"):
        with pytest.MonkeyPatch.context() as patch:
            out = io.TextIOWrapper(io.BytesIO(), encoding, "surrogatepass", newline="\n")
            patch.setattr(sys, "stdout", out)
            mine = written(value)
            print_json(value)
            out.flush()
            whole = out.buffer.getvalue()
        from llm_studio.text import escaped

        assert (escaped(mine) + "\n").encode(encoding, "surrogatepass") == whole


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the settings alone tell")
@pytest.mark.parametrize(
    "set_",
    [
        {}, {"LLM_STUDIO_HOME": "/somewhere"}, {"LLM_STUDIO_HOME": "~/x"},
        {"LLM_STUDIO_HOME": "here"}, {"XDG_STATE_HOME": "/state"}, {"XDG_STATE_HOME": ""},
        {"XDG_STATE_HOME": "relative"},
    ],
)  # fmt: skip
def test_the_state_is_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, set_: dict[str, str]
) -> None:
    for name in ("LLM_STUDIO_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    assert state_folder(set_) == str(Paths.locate(set_).state)


def test_a_long_path_gets_a_stand_in(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert len(socket_name(str(deep))) < 108
    assert socket_path(deep) == Path(socket_name(str(deep)))
