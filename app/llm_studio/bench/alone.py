"""The engine alone: `llama-bench` of the same image, or beside the same binary.

It counts neither tokenising nor sampling nor the way over HTTP, so its figures are of another
kind than the server's, and are labelled so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from llm_studio.bench.record import Point, Spread
from llm_studio.engines.base import Running
from llm_studio.engines.docker import container
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.ending import end_all
from llm_studio.errors import NotReady, StudioError
from llm_studio.text import untrusted

SAME = {
    "--model": "-m", "--gpu-layers": "-ngl", "--n-gpu-layers": "-ngl", "--cache-type-k": "-ctk",
    "--cache-type-v": "-ctv", "--threads": "-t", "--batch-size": "-b", "--ubatch-size": "-ub",
    "--split-mode": "-sm", "--main-gpu": "-mg", "--flash-attn": "-fa", "--n-cpu-moe": "-ncmoe",
    "--tensor-split": "-ts", "--device": "-dev", "--override-tensor": "-ot",
}  # fmt: skip
"""Arguments of llama-server that llama-bench has too, by its own names."""
LISTS = {"--tensor-split": "/", "--device": "/", "--override-tensor": ";"}
"""What stands between several values there, where llama-server has a comma."""
LIMIT = 3600.0
LONGEST = 4 << 20


class Alone(Protocol):
    """A llama-bench that sees the same files and devices as the engine did."""

    async def run(self, words: Sequence[str]) -> str: ...


async def alone_of(running: Running) -> Alone:
    """Found while the engine still runs."""
    if running.kind == "docker":
        return await asyncio.to_thread(_container_like, running)
    server = Path(running.command[0]) if running.command else Path()
    binary = server.with_name(server.name.replace("llama-server", "llama-bench"))
    if "llama-server" not in server.name or not os.access(binary, os.X_OK):
        raise NotReady("There is no llama-bench beside this engine")
    return Process(binary)


def words_for(command: Sequence[str]) -> list[str]:
    """The engine's placement in llama-bench's words."""
    words: list[str] = []
    for flag, value in pairwise(command):
        if flag not in SAME or (SAME[flag] == "-ngl" and not value.lstrip("-").isdigit()):
            continue
        words += [SAME[flag], value.replace(",", LISTS[flag]) if flag in LISTS else value]
    if "--cpu-moe" in command:
        words += ["-ncmoe", "999"]
    return words


async def alone(
    found: Alone, command: Sequence[str], prompt: int, answer: int, depths: Sequence[int],
    repetitions: int,
) -> list[Point]:  # fmt: skip
    """The same prompt, answer and depths as through the server."""
    words = words_for(command)
    words += ["-p", str(prompt), "-n", str(answer), "-r", str(repetitions), "-o", "jsonl"]
    words += ["-d", ",".join(map(str, sorted({0, *depths})))]
    return list(points_of((await found.run(words)).splitlines()))


def points_of(lines: Iterable[str]) -> Iterable[Point]:
    """Its records, read by name: their order changes from version to version."""
    for line in lines:
        if not line.startswith("{"):
            continue
        with contextlib.suppress(ValueError, KeyError, TypeError):
            told: dict[str, Any] = json.loads(line)
            prompt, answer = int(told["n_prompt"]), int(told["n_gen"])
            spread = Spread.of([float(each) for each in told["samples_ts"]])
            if spread is None or bool(prompt) == bool(answer):
                continue
            yield Point(
                kind="alone", source="llama-bench", prompt=prompt, answer=answer,
                depth=int(told.get("n_depth", 0)), cache="none",
                measures={"prompt_speed" if prompt else "speed": spread},
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Process:
    binary: Path

    async def run(self, words: Sequence[str]) -> str:
        process = await asyncio.create_subprocess_exec(
            str(self.binary), *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), LIMIT)
        except TimeoutError:
            raise StudioError(f"llama-bench took longer than {LIMIT:.0f} s") from None
        finally:
            await end_all(process)
        return _checked(process.returncode or 0, out.decode(errors="replace"), err)


@dataclass(frozen=True, slots=True)
class Container:
    """A container like the engine's, without a network and with another program."""

    connection: Connection
    body: dict[str, Any]

    async def run(self, words: Sequence[str]) -> str:
        id_ = await asyncio.to_thread(self._start, list(words))
        try:
            deadline = asyncio.get_running_loop().time() + LIMIT
            while (state := await asyncio.to_thread(self._state, id_))["Running"]:
                if asyncio.get_running_loop().time() > deadline:
                    raise StudioError(f"llama-bench took longer than {LIMIT:.0f} s")
                await asyncio.sleep(0.2)
            out, err = await asyncio.to_thread(self._output, id_)
        finally:
            await asyncio.shield(asyncio.to_thread(self._remove, id_))
            await asyncio.to_thread(self.connection.close)
        return _checked(int(state["ExitCode"]), out.decode(errors="replace"), err)

    def _start(self, words: list[str]) -> str:
        def start(client: Any) -> str:
            id_ = ""
            try:
                id_ = str(client.create_container_from_config({**self.body, "Cmd": words})["Id"])
                client.start(id_)
            except BaseException:
                if id_:
                    client.remove_container(id_, force=True)
                raise
            return id_

        return self.connection.do(start)

    def _state(self, id_: str) -> Any:
        return self.connection.do(lambda client: client.inspect_container(id_)["State"])

    def _output(self, id_: str) -> tuple[bytes, bytes]:
        def read(client: Any) -> tuple[bytes, bytes]:
            return client.logs(id_, stderr=False), client.logs(id_, stdout=False, tail=20)

        return self.connection.do(read)

    def _remove(self, id_: str) -> None:
        self.connection.do(lambda client: client.remove_container(id_, force=True))


def _container_like(running: Running) -> Container:
    connection = Connection(os.environ)

    def look(client: Any) -> dict[str, Any]:
        label = f"{container.INSTANCE}={running.instance}"
        for each in client.containers(filters={"label": label}):
            return dict(client.inspect_container(each["Id"]))
        raise NotReady("The engine's container is gone")

    try:
        inspected = connection.do(look)
        config, host = inspected["Config"], inspected["HostConfig"]
        server = str(inspected.get("Path") or "llama-server")
        server = next(
            (w for w in (server, *inspected.get("Args", ())) if "llama-server" in w), server
        )
        binary = server.replace("llama-server", "llama-bench")
        kept = ("CapDrop", "GroupAdd", "Init", "LogConfig", "ReadonlyRootfs", "SecurityOpt",
                "Tmpfs", "DeviceRequests", "Devices", "UsernsMode", "Ulimits",
                "Mounts")  # fmt: skip
        made = {key: host[key] for key in kept if host.get(key)}
        made["Mounts"] = [m for m in made.get("Mounts", ()) if m["Target"] != container.KEY]
    except BaseException:
        connection.close()
        raise
    labels = config.get("Labels") or {}
    body = {
        "Image": inspected["Image"],
        "Entrypoint": [binary],
        "User": config.get("User", ""),
        "Env": config.get("Env") or [],
        "Labels": {container.MANAGED: "true", container.STUDIO: labels.get(container.STUDIO, ""),
                   container.PROBE: "llama-bench"},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {**made, "NetworkMode": "none"},
    }  # fmt: skip
    return Container(connection, body)


def _checked(code: int, out: str, err: bytes) -> str:
    if code:
        lines = untrusted(err.decode(errors="replace")).strip().splitlines()
        raise StudioError(f"llama-bench ended with {code}", why=" / ".join(lines[-3:]))
    return out[:LONGEST]
