"""A Docker daemon of a test's own, to be ended and killed while the machine's own one serves on.

It lives in a network namespace of its own, since two daemons in one take each other's bridge away.
Its only image is empty: containers get the programs of this machine as a mount.
"""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

LIMIT = 20.0
IMAGE = "empty:1"
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
T = TypeVar("T")


class SecondDocker:
    """Runs from `start` until `end`; its containers and images outlast that."""

    def __init__(self, *, live_restore: bool = False) -> None:
        # A short path: sockets have little room for one.
        self.folder = Path(tempfile.mkdtemp(prefix="docker2-"))
        self.host = f"unix://{self.folder}/docker.sock"
        self.environment = {"DOCKER_HOST": self.host, "PATH": os.environ["PATH"]}
        self._live_restore = live_restore
        self._namespace = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "infinity"])
        self._wait_for_namespace()
        self._inside = ["nsenter", f"--target={self._namespace.pid}", "--net", "--mount"]
        subprocess.run([*self._inside, "ip", "link", "set", "lo", "up"], check=True)
        # Apart, since one that the daemon starts itself does not survive the daemon's being killed.
        self._containerd = self._begin(
            "containerd", "--root", f"{self.folder}/containerd", "--state",
            f"{self.folder}/state", "--address", f"{self.folder}/containerd.sock",
            "--config", "/dev/null",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SecondDocker:
        self.start()
        self._import_image()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            self.start()
        if left := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *left)
        self.end(signal.SIGTERM)
        for process in (self._containerd, self._namespace):
            process.terminate()
            process.wait(LIMIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Returns when it answers."""
        self._process = self._begin(
            "dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
            "--pidfile", f"{self.folder}/pid", "--containerd", f"{self.folder}/containerd.sock",
            "--host", self.host, "--bridge=none", "--iptables=false", "--ip6tables=false",
            f"--live-restore={str(self._live_restore).lower()}",
        )  # fmt: skip
        deadline = time.monotonic() + LIMIT
        while subprocess.run(self._command("version"), check=False, capture_output=True).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> None:
        """Send a signal, and return when the daemon is gone."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(LIMIT)
        self._process = None
        (self.folder / "pid").unlink(missing_ok=True)

    def docker(self, *words: str, told: bytes = b"") -> str:
        done = subprocess.run(self._command(*words), input=told, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def run(self, script: str, *words: str) -> str:
        """A container that does what a script says, with this machine's programs."""
        return self.docker(
            "run", "--detach", "--network", "none", "--log-driver", "local", *words,
            "--volume", "/usr:/usr:ro", IMAGE, "/usr/bin/sh", "-c", script,
        ).strip()  # fmt: skip

    def within(self, work: Callable[[], T]) -> T:
        """Do something, like opening a socket, in the daemon's network."""
        found: list[T] = []

        def enter() -> None:
            descriptor = os.open(f"/proc/{self._namespace.pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):  # of this thread alone
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            found.append(work())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return found[0]

    def _command(self, *words: str) -> list[str]:
        return ["docker", "--host", self.host, *words]

    def _begin(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._inside, *command], stdout=log, stderr=log, start_new_session=True
            )

    def _wait_for_namespace(self) -> None:
        own = os.readlink("/proc/self/ns/mnt")
        while os.readlink(f"/proc/{self._namespace.pid}/ns/mnt") == own:
            time.sleep(0.005)

    def _import_image(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in ("usr", "proc", "dev", "tmp", "etc", "sys"):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            for name, target in _LINKS.items():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, target
                tar.addfile(link)
            unlike = tarfile.TarInfo(f"etc/{uuid.uuid4().hex}")
            tar.addfile(unlike)
        self.docker("import", "-", IMAGE, told=packed.getvalue())
