"""The sandbox as a container: no network, nothing of the host, no rights, and few of everything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from typing import Any

import psutil

from llm_studio.bench.sandbox.job import WORKER, Job, Outcome, SandboxFault, read_outcome
from llm_studio.bench.sandbox.talk import talk
from llm_studio.engines.docker import container
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.leftovers import remove
from llm_studio.errors import NotReady, StudioError

IMAGE = "llm-studio/sandbox:python"
PROCESSES = 64
SCRATCH = "rw,noexec,nosuid,nodev,size=64m,nr_inodes=4096,mode=1777"


def body(image: str, studio: str) -> dict[str, Any]:
    """One disposable container; its input comes over stdin, its output is read from stdout."""
    memory = min(4 << 30, psutil.virtual_memory().total // 2)
    return {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-c", WORKER],
        "Cmd": [],
        "User": "65534:65534",
        "WorkingDir": "/tmp",
        "Env": ["PYTHONDONTWRITEBYTECODE=1", "OPENBLAS_NUM_THREADS=1", "HOME=/tmp"],
        "Labels": {container.MANAGED: "true", container.STUDIO: studio, container.PROBE: "sandbox"},
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "Tty": False,
        "HostConfig": {
            "NetworkMode": "none",
            "IpcMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "Init": True,
            "PidsLimit": PROCESSES,
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": 1_000_000_000,
            "Tmpfs": {"/tmp": SCRATCH},
            "LogConfig": {"Type": "none", "Config": {}},
            "RestartPolicy": {"Name": "no"},
            "Ulimits": [
                {"Name": "nofile", "Soft": 256, "Hard": 256},
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "fsize", "Soft": 64 << 20, "Hard": 64 << 20},
            ],
        },
    }


class ContainerSandbox:
    name = "container"

    def __init__(self, connection: Connection, image: str, studio: str) -> None:
        self._connection = connection
        self._image = image
        self._studio = studio

    @classmethod
    async def here(cls, studio: str) -> ContainerSandbox | None:
        """None where there is no Docker on this machine."""
        connection = Connection(os.environ)

        def look(client: Any) -> str:
            found = client.images(IMAGE)
            return str(found[0]["Id"]) if found else ""

        try:
            if not await asyncio.to_thread(_on_this_machine, connection):
                return None
            image = await connection.call(look)
        except StudioError:
            await asyncio.to_thread(connection.close)
            return None
        if not image:
            await asyncio.to_thread(connection.close)
            raise NotReady(
                "The sandbox for code that models write is not here",
                why=f"There is no image {IMAGE}.",
                hint="Build it:  llm-studio image build sandbox",
            )
        return cls(connection, image, studio)

    async def run(self, job: Job) -> Outcome:
        try:
            raw, timed_out = await asyncio.to_thread(self._run, job)
        except (StudioError, OSError) as error:
            raise SandboxFault("The sandbox failed", why=str(error)) from error
        return read_outcome(raw, len(job.inputs), timed_out=timed_out)

    def _run(self, job: Job) -> tuple[bytes, bool]:
        with self._connection.open(image=IMAGE) as client:
            made = body(self._image, self._studio)
            id_ = str(client.create_container_from_config(made)["Id"])
            try:
                ways = {"stdin": 1, "stdout": 1, "stream": 1}
                attached = client.attach_socket(id_, params=ways)
                wire: socket.socket = getattr(attached, "_sock", attached)
                try:
                    client.start(id_)
                    return talk(wire, job, _stdout_in)
                finally:
                    for each in (attached, wire):
                        with contextlib.suppress(OSError):
                            each.close()
            finally:
                remove(client, id_, force=True)

    async def close(self) -> None:
        await asyncio.to_thread(self._connection.close)


def _on_this_machine(connection: Connection) -> bool:
    """Somebody else's machine is no place for code that nobody knows."""
    endpoint = connection.endpoint
    path = endpoint.url.removeprefix("unix://")
    return not endpoint.remote and (not path.startswith("/") or os.path.exists(path))


def _stdout_in(raw: bytearray) -> bytes:
    """What the frames that are whole hold of stdout; they are taken off."""
    told = bytearray()
    while len(raw) >= 8:
        stream, size = raw[0], struct.unpack(">I", raw[4:8])[0]
        if len(raw) < 8 + size:
            break
        if stream == 1:
            told += raw[8 : 8 + size]
        del raw[: 8 + size]
    return bytes(told)
