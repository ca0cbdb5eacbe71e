"""A socket in front of a real Docker daemon, so that a test can take the daemon away.

Also a program: `python -m tests.standins.docker_proxy HERE THERE`, as which it plays `ssh -L`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType

REAL = Path("/var/run/docker.sock")


class DockerProxy:
    """Passes bytes both ways; `drop` cuts every connection and listens no more."""

    def __init__(self, here: Path, there: Path = REAL) -> None:
        self.here = here
        self._there = there
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> DockerProxy:
        self.listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._open) // 2

    def listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.here))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def drop(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self.here.unlink(missing_ok=True)
            self._listener = None
        with self._lock:
            cut, self._open = self._open, []
        for each in cut:
            _end(each)

    def wait(self) -> None:
        threading.Event().wait()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._there))
                with self._lock:
                    self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                target.sendall(chunk)
        for each in (source, target):
            _end(each)
            with self._lock, contextlib.suppress(ValueError):
                self._open.remove(each)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


if __name__ == "__main__":
    with DockerProxy(Path(sys.argv[1]), Path(sys.argv[2])) as proxy:
        proxy.wait()
