"""Speaks to the studio over its socket. Small on purpose: `llm-studio status` must be instant,
so this is HTTP by hand (one request a connection) rather than a client library's 40 ms."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_studio.errors import NotFound, NotReady, StudioError, UsageError

START_LIMIT = 20.0
SILENCE = 60.0
"""A stream of events has a sign of life every 15 seconds."""
_KINDS: dict[int, type[StudioError]] = {404: NotFound, 409: NotReady, 422: UsageError}


class Unreachable(NotReady):
    """No studio runs here; `died` if one did, and could not clean up behind itself."""

    def __init__(self, *, died: bool) -> None:
        super().__init__(
            "No studio runs", hint="`llm-studio up ID` starts one and serves a profile."
        )
        self.died = died


class Silent(StudioError):
    """The studio is there, and does not answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "The studio does not answer",
            why=f"For {seconds:.0f} s it said nothing.",
            hint="If this stays so, `llm-studio shutdown` ends it by force; the model goes on, and "
            "the next studio takes it over.",
        )


class Ended(StudioError):
    """The studio went away in the midst of a conversation."""

    def __init__(self) -> None:
        super().__init__(
            "The studio ended before it answered",
            hint="`llm-studio up` starts the next one, which takes over the model; "
            "`llm-studio logs` may tell why.",
        )


class Client:
    """One studio, at its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, method: str, route: str, body: Any = None, *, timeout: float | None = 30) -> Any:
        """One question and its answer; a problem that the studio tells is raised."""
        with self._conversation(timeout) as connection:
            connection.sendall(request_for(method, route, body))
            raw = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        return answer_of(raw)

    def reach(self) -> None:
        """Raises where no studio answers."""
        self._connect(5).close()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Statuses and jobs, as they change."""
        with self._conversation(SILENCE) as connection:
            connection.sendall(request_for("GET", "/events"))
            name = ""
            for line in connection.makefile(encoding="utf-8", newline="\n"):
                field, _, value = line.strip().partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    @contextlib.contextmanager
    def _conversation(self, timeout: float | None) -> Iterator[socket.socket]:
        with self._connect(timeout) as connection:
            try:
                yield connection
            except TimeoutError:
                raise Silent(timeout or 0.0) from None
            except ConnectionError:
                raise Ended from None

    def _connect(self, timeout: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(str(self._path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise Unreachable(died=isinstance(error, ConnectionRefusedError)) from error
        except OSError as error:
            connection.close()
            raise StudioError(f"Cannot reach the studio at {self._path}", why=str(error)) from error
        return connection


def request_for(method: str, route: str, body: Any = None, **headers: str) -> bytes:
    """A request as it goes over the socket."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {route} HTTP/1.0", "Host: studio", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def answer_of(raw: bytes) -> Any:
    """What came back; a problem that the studio tells is raised."""
    status, content = _split(raw)
    answer = json.loads(content) if content else None
    if status >= 400 and isinstance(answer, dict) and "title" in answer:
        kind = _KINDS.get(status, StudioError)
        raise kind(answer["title"], why=answer.get("detail", ""), hint=answer.get("hint", ""))
    return answer


def _split(raw: bytes) -> tuple[int, bytes]:
    head, _, content = raw.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise Ended
    return int(words[1]), content


def start_studio() -> None:
    """Start a studio in the background, and return when it answers."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "llm_studio", "serve", "--ready-fd", str(writing)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        pass_fds=[writing],
        start_new_session=True,
    ) as process:
        os.close(writing)
        told = _read_until_ready(reading)
        os.close(reading)
        process.returncode = 0  # it lives on; nobody waits for it
    if not told.endswith("ready\n"):
        why = told.replace("error: ", "").strip()
        raise StudioError("The studio does not start", why=why or "It said nothing.")


def _read_until_ready(reading: int) -> str:
    told = b""
    while select.select([reading], [], [], START_LIMIT)[0]:
        part = os.read(reading, 4096)
        told += part
        if not part or told.endswith(b"ready\n"):
            break
    return told.decode(errors="replace")
