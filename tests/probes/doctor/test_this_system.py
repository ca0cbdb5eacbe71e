"""The edge to the machine itself: bounded in time and size, and true."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.probes.doctor.machine import RecordedDocker
from tests.standins.nvml import FakeDriver

from llm_studio.probes.doctor.disk_speed import MOST, disk_speed
from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import Ran
from llm_studio.probes.doctor.this_system import ThisSystem
from llm_studio.settings import load_settings


@pytest.fixture
def here(home: Home, monkeypatch: pytest.MonkeyPatch) -> ThisSystem:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return system()


def system() -> ThisSystem:
    return ThisSystem(load_settings(), RecordedDocker(), lambda: None)


# Commands


def test_a_command_prints_on_both_channels(here: ThisSystem) -> None:
    ran = here.run(sys.executable, "-c", "import sys; print('a'); print('b', file=sys.stderr)")
    assert ran.code == 0
    assert sorted(ran.out.split()) == ["a", "b"]


def test_a_command_that_is_not_there_or_may_not_be_run(here: ThisSystem, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    assert here.run("no-such-program") == Ran(None, trouble="missing")
    assert here.run(str(tmp_path / "plain")).trouble == "denied"


def test_a_command_that_takes_too_long_is_ended_with_its_children(here: ThisSystem) -> None:
    """The child holds the pipe open: who ended the parent alone would wait for it."""
    begun = time.monotonic()
    ran = here.run("sh", "-c", "sleep 30 & wait", limit=0.3)
    assert ran == Ran(None, trouble="slow")
    assert time.monotonic() - begun < 5


def test_a_command_gets_no_input_and_a_language_that_can_be_read(here: ThisSystem) -> None:
    ran = here.run("sh", "-c", "cat; echo $LC_ALL")
    assert ran.out == "C\n"


def test_what_a_command_prints_cannot_steer_the_terminal(here: ThisSystem) -> None:
    assert here.run("printf", "\\033[2J").out == "␛[2J"


def test_the_same_command_is_run_once(here: ThisSystem, tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = ("sh", "-c", f"echo x >> {count}")
    threads = [threading.Thread(target=here.run, args=command) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count.read_text() == "x\n"


# Files


def test_only_regular_files_are_read(here: ThisSystem, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        here.read(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"\xff" * (1 << 20))
    assert len(here.read(tmp_path / "large")) == 256 << 10


def test_the_models_of_the_users_folders(here: ThisSystem, home: Home) -> None:
    path = home.model("a/tiny.gguf")
    assert [(m.name, m.path, m.size) for m in here.models()] == [
        ("a/tiny.gguf", path, path.stat().st_size)
    ]


def test_the_speed_of_a_disk_is_measured_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(os.urandom(9 << 20))
    speed = disk_speed(path)
    assert 8 << 20 <= speed.bytes <= 9 << 20
    assert 0 < speed.seconds < 3
    assert speed.how.startswith("read ")


def test_a_huge_file_is_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.truncate(20 << 30)
    speed = disk_speed(path)
    assert 0 < speed.bytes <= MOST
    assert speed.seconds < 3


def test_where_the_cache_cannot_be_passed_it_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(bytes(5 << 20))
    monkeypatch.delattr(os, "O_DIRECT")
    speed = disk_speed(path)
    assert speed.bytes == 5 << 20
    assert "drop it from memory" in speed.how


# Ports and the network


def test_ports(here: ThisSystem) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        taken = here.port("127.0.0.1", number)
        assert taken.state == "taken"
        assert f"(process {os.getpid()})" in taken.owner
    assert here.port("127.0.0.1", number).state == "free"
    assert here.port("192.0.2.1", number).state == "elsewhere"


class Answers(BaseHTTPRequestHandler):
    """A server whose clock is an hour ahead."""

    def do_HEAD(self) -> None:
        status = int(self.path.strip("/") or 200)
        self.send_response(status)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + 3600)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_answers_tells_the_time(here: ThisSystem, server: str) -> None:
    answer = here.ask(server)
    assert answer.status == 200
    assert answer.clock == pytest.approx(-3600, abs=5)
    assert here.ask(f"{server}/404").status == 404


def test_a_server_that_cannot_be_reached(here: ThisSystem) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        number = closed.getsockname()[1]
    assert here.ask(f"http://127.0.0.1:{number}").trouble == "refused"
    assert here.ask("http://name.invalid").trouble == "name"
    assert here.ask("nonsense").trouble == "other"


# The driver, with the real pynvml in the real child


@pytest.fixture
def driven(home: Home, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    for name, value in driver.environment.items():
        monkeypatch.setenv(name, value)
    return driver


def test_gpus_are_asked_in_a_child(driven: FakeDriver) -> None:
    driven.say("count 2")
    told = nvidia(system())
    assert told.trouble == ""
    assert [gpu.name for gpu in told.gpus] == ["NVIDIA Fake 0", "NVIDIA Fake 1"]


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("error nvmlInitWithFlags 18", "mismatch"),
        ("error nvmlInitWithFlags 9", "not loaded"),
        ("error nvmlInitWithFlags 4", "denied"),
        ("error nvmlInitWithFlags 999", "other"),
        ("crash nvmlInitWithFlags", "crashed"),
    ],
)
def test_a_driver_that_refuses(driven: FakeDriver, script: str, trouble: str) -> None:
    driven.say(script)
    assert nvidia(system()).trouble == trouble


def test_a_lost_gpu_hides_no_other(driven: FakeDriver) -> None:
    driven.say("count 2", "error nvmlDeviceGetHandleByIndex_v2 15 0")
    told = nvidia(system())
    assert [bool(gpu.lost) for gpu in told.gpus] == [True, False]


# Python environments


def test_packages_are_read_from_real_files_and_never_imported(
    home: Home, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in driver.environment.items():
        monkeypatch.setenv(name, value)
    prefix = tmp_path / "env"
    site = prefix / "lib" / "python3.12" / "site-packages"
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (site / "torch" / "version.py").write_text(
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'hip']\n"
        "__version__ = '2.9.0+cpu'\ndebug = False\ncuda: Optional[str] = None\n"
        "git_version = '0fabc3ba44823f257e70ce397d989c8de5e362c1'\nhip: Optional[str] = None\n"
    )
    (site / "torch-2.9.0+cpu.dist-info").mkdir()
    (site / "torch-2.9.0+cpu.dist-info" / "METADATA").write_text("Name: torch\n")
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9.8\n")
    monkeypatch.setenv("VIRTUAL_ENV", str(prefix))
    check = next(check for check in all_checks() if check.id == "python.torch")
    (result,) = examine(system(), [check])
    assert f"{prefix} (active): torch 2.9.0, built for the processor" in result.finding.found
    assert not (tmp_path / "ran").exists()


# All of it


def test_this_machine_is_looked_at_in_seconds(here: ThisSystem, home: Home) -> None:
    home.model()
    begun = time.monotonic()
    results = examine(here)
    assert time.monotonic() - begun < 20
    assert len(results) >= 25
    assert not [result for result in results if "could not be checked" in result.finding.found]
