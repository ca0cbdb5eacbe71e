"""llama-server as a process of this machine: a binary, or the server inside the xllamacpp wheel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

import psutil

from llm_studio.birth import birth, born, same_process
from llm_studio.engines.abilities import ask, build_of
from llm_studio.engines.arguments import log_arguments, server_arguments
from llm_studio.engines.base import (
    Abilities,
    Availability,
    EngineError,
    Launch,
    RawLine,
    Running,
    Vitals,
    now,
)
from llm_studio.engines.ending import end, end_child, exit_code_of
from llm_studio.engines.tail import Tail
from llm_studio.journal import restored
from llm_studio.storage import write_atomically

POLL, QUIET = 0.05, 0.25
"""Seconds between looks at a log: at first, and when nothing comes."""
FEW, GATHER = 200, 0.02
"""After so few lines, a log waits for so many seconds until more have come."""


class ProcessEngine:
    """Starts and finds llama-server processes; each leaves a record from which it is adopted."""

    kind = "process"

    def __init__(self, folder: Path, binary: str = "") -> None:
        self._folder = folder
        self._binary = binary
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._abilities: tuple[object, Abilities] | None = None
        """Of one build; to ask it costs two starts of it."""

    def _command(self) -> list[str]:
        found = self._binary or shutil.which("llama-server")
        if found:
            return [found]
        return [sys.executable, "-m", "llm_studio.engines.embedded"]

    async def availability(self, image: str = "") -> Availability:
        command = self._command()
        if len(command) == 1:
            if not os.access(command[0], os.X_OK):
                told = f"{command[0]} cannot be run."
                return Availability(False, told, "Mend the setting `llama_server`.")
            return Availability(True, f"llama-server at {command[0]}")
        from importlib.util import find_spec

        if find_spec("xllamacpp") is None:
            return Availability(
                False,
                "There is no llama-server on this machine.",
                "Install llama.cpp, or the wheel:  pip install xllamacpp",
            )
        return Availability(True, "the llama.cpp inside the xllamacpp wheel")

    async def abilities(self, image: str = "") -> Abilities:
        command = self._command()
        known = await asyncio.to_thread(build_of, command)
        if self._abilities is None or self._abilities[0] != known:
            self._abilities = (known, await ask(command))
        return self._abilities[1]

    async def start(self, launch: Launch) -> Running:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return await self._start(launch)
        except BaseException:
            # Without a record no studio would find it again.
            child = self._children.pop(launch.instance, None)
            if child is not None:
                await end_child(child, 0)
            self._remove(launch.instance)
            raise

    async def _start(self, launch: Launch) -> Running:
        port = _free_port()
        key_file = self._path(launch.instance, "key")
        _write_private(key_file, launch.key + "\n")
        words = [
            word
            for argument in server_arguments(launch.entry, launch.files, launch.chosen)
            for word in argument.words
        ]
        command = [
            *self._command(),
            *words,
            *("--host", "127.0.0.1", "--port", str(port), "--api-key-file", str(key_file)),
            *("--cors-origins", "localhost", "--metrics"),
            *log_arguments(words, launch.log_level),
        ]
        log = os.open(
            self._path(launch.instance, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(launch),
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError("llama-server does not start", why=str(error)) from error
        finally:
            os.close(log)
        self._children[launch.instance] = process
        running = Running(
            self.kind,
            launch.instance,
            launch.entry.id,
            f"http://127.0.0.1:{port}",
            launch.key,
            now(),
            tuple(command),
            f"process {process.pid}",
        )
        self._record(running, process.pid)
        return running

    def _record(self, running: Running, pid: int) -> None:
        kept = {**asdict(running), "pid": pid, "born": born(pid), "birth": birth(pid)}
        write_atomically(self._path(running.instance, "json"), json.dumps(kept), mode=0o600)

    async def running(self) -> Sequence[Running]:
        found = []
        for path in sorted(self._folder.glob("process-*.json")):
            running = _recorded(path)
            if running is None:
                continue
            identity = self._identity(running)
            if identity is None:
                continue
            if same_process(*identity) is not None:
                found.append(running)
            elif running.instance not in self._children:
                self._remove(running.instance)
        return found

    def _identity(self, running: Running) -> tuple[int, float, str] | None:
        try:
            kept = json.loads(self._path(running.instance, "json").read_text(encoding="utf-8"))
            return int(kept["pid"]), float(kept["born"]), str(kept.get("birth", ""))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    async def vitals(self, running: Running) -> Vitals:
        child = self._children.get(running.instance)
        if child is not None and child.returncode is not None:
            return Vitals(False, exit_code_of(child.returncode))
        if child is not None:
            return _living(child.pid)
        identity = self._identity(running)
        if identity is None:
            return Vitals(False, gone=True)
        # Somebody else's child by now: how it ended, only its parent was told.
        alive = same_process(*identity) is not None
        return _living(identity[0]) if alive else Vitals(False, pid=identity[0])

    async def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        tail = Tail(self._path(running.instance, "log"), mark)
        pause = POLL
        while True:
            # Ask first, then read: what it wrote before it ended is not missed.
            ended = not (await self.vitals(running)).alive
            try:
                lines = await asyncio.to_thread(tail.read)
            except OSError:
                return
            for line in lines:
                yield line
            if ended and not lines:
                for line in tail.rest():
                    yield line
                return
            pause = POLL if lines else min(pause * 1.5, QUIET)
            if not ended and len(lines) < FEW:
                await self._pause(running, GATHER if lines else pause)

    async def _pause(self, running: Running, seconds: float) -> None:
        """For so long, or until it ends, which a parent is told at once."""
        child = self._children.get(running.instance)
        if child is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await child.wait()

    async def stop(self, running: Running, grace: float) -> None:
        child = self._children.get(running.instance)
        if child is not None:
            await end_child(child, grace)
            return
        identity = self._identity(running)
        process = same_process(*identity) if identity else None
        if process is not None:
            await asyncio.to_thread(end, process, grace)

    async def forget(self, running: Running) -> None:
        self._children.pop(running.instance, None)
        self._remove(running.instance)

    async def close(self) -> None:
        return

    def _remove(self, instance: str) -> None:
        for suffix in ("json", "key", "log"):
            self._path(instance, suffix).unlink(missing_ok=True)

    def _path(self, instance: str, suffix: str) -> Path:
        return self._folder / f"process-{instance}.{suffix}"


def _environment(launch: Launch) -> dict[str, str]:
    """What the engine needs and no more: no token of another program reaches it."""
    kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    gpus = launch.entry.require().engine.gpus
    if gpus == "none":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif gpus not in (None, "all"):
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(d.uuid for d in launch.devices)
    return environment


def _recorded(path: Path) -> Running | None:
    try:
        return restored(Running, path.read_bytes())
    except OSError:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _living(pid: int) -> Vitals:
    """How a process is that lives; somebody may have stopped it with a signal."""
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            return Vitals(True, pid=pid, resume=f"kill -CONT {pid}")
    return Vitals(True, pid=pid)
