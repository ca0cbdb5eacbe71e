"""The client of the studio's socket, against studios that end, hang or say something odd."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_studio.cli.studio import follow
from llm_studio.client import Client, Ended, Silent, Unreachable
from llm_studio.errors import NotFound

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@contextlib.contextmanager
def studio(path: Path, *answers: bytes | None) -> Iterator[Client]:
    """One that gives these answers, each on a connection of its own; None is silence."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path / "s"))
        listener.listen()
        ended = threading.Event()

        def serve() -> None:
            for answer in answers:
                near, _ = listener.accept()
                with near:
                    near.recv(1 << 16)
                    if answer is None:
                        ended.wait(10)
                    else:
                        near.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield Client(path / "s")
        ended.set()
        serving.join()


def test_an_answer(tmp_path: Path) -> None:
    with studio(tmp_path, OK + b'{"state": "ready"}') as client:
        assert client.ask("GET", "/status") == {"state": "ready"}


def test_a_problem_is_raised_as_what_it_is(tmp_path: Path) -> None:
    told = b'HTTP/1.1 404 Not Found\r\n\r\n{"title": "There is no job", "hint": "Look."}'
    with studio(tmp_path, told) as client, pytest.raises(NotFound) as caught:
        client.ask("GET", "/jobs/x")
    assert (caught.value.what, caught.value.hint) == ("There is no job", "Look.")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1"])
def test_a_studio_that_ends(tmp_path: Path, answer: bytes) -> None:
    with studio(tmp_path, answer) as client, pytest.raises(Ended):
        client.ask("GET", "/status")


def test_a_studio_that_hangs(tmp_path: Path) -> None:
    with studio(tmp_path, None) as client, pytest.raises(Silent) as caught:
        client.ask("GET", "/status", timeout=0.05)
    assert "llm-studio shutdown" in caught.value.hint


@pytest.mark.parametrize("left", [False, True])
def test_no_studio(tmp_path: Path, left: bool) -> None:
    if left:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
    with pytest.raises(Unreachable) as caught:
        Client(tmp_path / "s").reach()
    assert caught.value.died is left


def job(state: str, message: str = "") -> dict[str, Any]:
    return {"id": "7", "state": state, "message": message, "fraction": None}


def events(*told: tuple[str, Any]) -> bytes:
    lines = "".join(f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n" for name, data in told)
    return b"HTTP/1.1 200 OK\r\n\r\n" + lines.encode()


def answer(data: Any) -> bytes:
    return OK + json.dumps(data).encode()


def test_a_job_is_followed_among_other_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = events(
        ("job", {**job("done"), "id": "another"}), ("samples", [1, 2]), ("mark", {"text": "x"}),
        ("job", job("running", "loading")), ("job", job("done")),
    )  # fmt: skip
    with studio(tmp_path, answer(job("running")), told) as client:
        assert follow(client, "7")["state"] == "done"
    assert capsys.readouterr().err == "loading\n"


def test_a_studio_that_ends_while_a_job_is_followed(tmp_path: Path) -> None:
    told = events(("job", job("running", "loading")))
    with studio(tmp_path, answer(job("running")), told) as client, pytest.raises(Ended):
        follow(client, "7")
