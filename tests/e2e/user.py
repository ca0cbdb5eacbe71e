"""Somebody at a shell with a home of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.gates import (
    HELD_IMAGE,
    ContainerGate,
    FileGate,
    Gate,
    build_held_image,
    write_held_server,
)
from tests.e2e.seen import LIMIT, ContainerHandle, ProcessHandle, docker, until_gone
from tests.standins.tiny_model import write_tiny_llama

import llm_studio
from llm_studio.client import Client
from llm_studio.engines.docker.container import FOLDER
from llm_studio.errors import StudioError
from llm_studio.place import socket_path


@dataclass
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class User:
    """Runs the program itself, as processes; `kind` is the engine of the profiles."""

    def __init__(self, home: Path, kind: str = "process") -> None:
        self.home = home
        self.kind = kind
        self.state = home / "state"
        self.models = home / "models"
        self.client = Client(socket_path(self.state))
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "LLM_STUDIO_HOME": str(home),
            "LLM_STUDIO_GATEWAY_PORT": "0",
            "LLM_STUDIO_API_PORT": "0",
            "LLM_STUDIO_CACHES": "off",
            "PYTHONPATH": str(Path(llm_studio.__file__).parents[1]),
        }
        self._processes: list[subprocess.Popen[str]] = []
        self.models.mkdir(parents=True)
        write_tiny_llama(self.models / "tiny.gguf")
        for each in (self.models, home, *home.parents[:2]):  # a container is another user
            each.chmod(each.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        self.profile("one")
        self.profile("two")

    # Files

    def profile(
        self, id_: str, server: str = "", *, file: str = "tiny.gguf", more: str = ""
    ) -> None:
        path = self.home / "profiles" / f"{id_}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'name = "{id_}"\n[model]\nfile = "{file}"\n[engine]\nkind = "{self.kind}"\n{more}\n'
            f"[server]\ncontext = 65536\nparallel = 2\n{server}\n"
        )

    def hold(self) -> Gate:
        """From now on a profile `held` waits at a gate before it loads; call it before a start."""
        if self.kind == "docker":
            build_held_image()
            self.profile("held", more=f'image = "{HELD_IMAGE}"')
            return ContainerGate(lambda: ContainerHandle(self.status()["engine"]["instance"]))
        gate = FileGate(self.home / "gate")
        engine = self.home / "llama-server"
        write_held_server(engine, gate)
        self.environment["LLM_STUDIO_LLAMA_SERVER"] = str(engine)
        self.profile("held")
        self.profile("held-too")
        return gate

    # Commands

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command and go on."""
        pipe = subprocess.PIPE
        given = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options}
        process = subprocess.Popen(
            [sys.executable, "-m", "llm_studio", *words], env=self.environment, text=True, **given
        )
        self._processes.append(process)
        return process

    def run(self, *words: str, stdin: str = "") -> Result:
        process = self.begin(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=LIMIT)
        return Result(process.returncode, out, err)

    def ok(self, *words: str, stdin: str = "") -> Result:
        result = self.run(*words, stdin=stdin)
        assert result.code == 0, result.err
        return result

    def serve(self) -> subprocess.Popen[str]:
        """A studio in the foreground that answers by now."""
        process = self.begin("serve")
        line = line_of(process, process.stderr)
        if not line.startswith("Gateway http"):
            process.kill()
            raise AssertionError(line + process.communicate()[1])
        return process

    # The studio

    def ask(self, method: str, route: str, body: Any = None, *, limit: float = LIMIT) -> Any:
        return self.client.ask(method, route, body, timeout=limit)

    def up(self, id_: str) -> Any:
        """The job of a switch that is over, and went well."""
        answer = self.ask("POST", "/switch?wait=true", {"model": id_})
        assert answer["success"], answer["job"]
        return answer["job"]

    def switch(self, id_: str) -> Any:
        """The job of a switch that began."""
        return self.ask("POST", "/switch", {"model": id_})["job"]

    def ended(self, job: Any) -> Any:
        return self.ask("GET", f"/jobs/{job['id']}?wait=true")

    def status(self) -> Any:
        return self.ask("GET", "/status")

    def no_studio(self) -> bool:
        """Whether there is none, as a command sees it."""
        asked = self.run("status", "--json")
        return asked.code == 3 and asked.json["studio"] is None

    def log(self) -> str:
        return "\n".join(line["text"] for line in self.ask("GET", "/logs?since=0")["lines"])

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watching]:
        """The studio's own events, from this moment on."""
        transport = httpx.HTTPTransport(uds=str(socket_path(self.state)))
        with (
            httpx.Client(transport=transport, timeout=LIMIT) as http,
            http.stream("GET", "http://studio/events") as answer,
        ):
            watching = Watching(answer.iter_lines())
            watching.next_status()  # the present one: by now we are heard
            yield watching

    def until(self, **wanted: Any) -> Any:
        with self.watching() as watching:
            status = self.status()
            return status if _fits(status, wanted) else watching.until(**wanted)

    def until_counted(self, **wanted: int) -> None:
        """Until so many requests run, or wait: of those the studio keeps count and no events."""
        deadline = time.monotonic() + LIMIT
        while not _fits(self.status(), wanted):
            assert time.monotonic() < deadline, (wanted, self.status())

    @property
    def gateway(self) -> httpx.Client:
        """A client at the gateway."""
        return httpx.Client(base_url=self.status()["gateway"], timeout=LIMIT, trust_env=False)

    @property
    def engine(self) -> ProcessHandle | ContainerHandle:
        return self.engine_of(self.status()["engine"])

    def engine_of(self, engine: Any) -> ProcessHandle | ContainerHandle:
        if engine["kind"] == "docker":
            return ContainerHandle(engine["instance"])
        return ProcessHandle(int(engine["detail"].split()[1]))

    def direct(self) -> httpx.Client:
        """A client at the engine itself, with its key, as whoever knows both."""
        engine = self.status()["engine"]
        (key,) = (self.state / "engines").glob(f"*-{engine['instance']}.key")
        headers = {"Authorization": f"Bearer {key.read_text().strip()}"}
        return httpx.Client(
            base_url=engine["address"], headers=headers, timeout=LIMIT, trust_env=False
        )

    def kill_studio(self) -> None:
        pid = self.status()["studio"]["pid"]
        os.kill(pid, signal.SIGKILL)
        until_gone(pid)

    def close(self) -> None:
        """Nothing that this user started stays, whatever became of it."""
        with contextlib.suppress(StudioError, OSError):
            if self._processes:
                os.kill(self.ask("GET", "/status", limit=3.0)["studio"]["pid"], signal.SIGKILL)
        for process in self._processes:
            process.kill()
            process.communicate()
        for record in (self.state / "engines").glob("process-*.json"):
            with contextlib.suppress(ValueError, OSError, KeyError):
                ProcessHandle(json.loads(record.read_text())["pid"]).kill()
        if self.kind == "docker":
            mine = f"label={FOLDER}={self.state / 'engines'}"
            left = docker("ps", "--all", "--quiet", "--filter", mine).split()
            if left:
                docker("rm", "--force", "--volumes", *left)


class Watching:
    """States as the studio tells them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.seen: list[Any] = []

    def next_status(self) -> Any:
        name, deadline = "", time.monotonic() + LIMIT
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "status":
                self.seen.append(json.loads(value))
                return self.seen[-1]
            if time.monotonic() > deadline:
                break
        raise AssertionError(f"no further status after {self.states}")

    def until(self, **wanted: Any) -> Any:
        while True:
            status = self.next_status()
            if _fits(status, wanted):
                return status

    def until_loading(self, id_: str) -> Any:
        """Its engine was started."""
        status = self.until(state="loading", profile=id_)
        assert status["engine"] is not None
        return status

    def until_detail(self, text: str) -> Any:
        status = self.seen[-1]
        while text not in status["detail"]:
            status = self.next_status()
        return status

    @property
    def states(self) -> list[str]:
        return [each["state"] for each in self.seen]


def _fits(status: Any, wanted: dict[str, Any]) -> bool:
    return all(status[key] == value for key, value in wanted.items())


def line_of(process: subprocess.Popen[str], stream: Any = None) -> str:
    """The next line of a command that runs; nothing once it has ended."""
    late = threading.Timer(LIMIT, process.kill)
    late.start()
    try:
        stream = stream or process.stdout
        return str(stream.readline())
    finally:
        late.cancel()


@contextlib.contextmanager
def talking(http: httpx.Client, *, tokens: int = -1) -> Iterator[Iterator[str]]:
    """The lines of an answer that has begun, and ends when there are so many tokens, or never."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": tokens, "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        yield lines


def chat(
    http: httpx.Client, prompt: str = "Hi", *, tokens: int = 8, model: str = ""
) -> httpx.Response:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens,
    }  # fmt: skip
    if model:
        body["model"] = model
    return http.post("/v1/chat/completions", json=body)
