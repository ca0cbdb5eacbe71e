"""The one way out of the fence: a port in there, a Unix socket between, the gateway out here.

Inside, this file is run by itself (`python -I -S bridge.py PORT SOCKET LIFELINE COMMAND…`), so it
needs nothing but Python: one process carries the bytes, and another becomes the command.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

PIECE = 1 << 16


def carry(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Join each connection to one of `connect`, until the listener is closed."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = connect()
        except OSError:
            near.close()  # whoever asks sees a broken connection, and tries again
            continue
        threading.Thread(target=_join, args=(near, far), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    back = threading.Thread(target=_copy, args=(far, near), daemon=True)
    back.start()
    _copy(near, far)
    back.join()
    near.close()
    far.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    how = socket.SHUT_RDWR  # one that broke off ends the other's answer too
    with contextlib.suppress(OSError):
        while data := source.recv(PIECE):
            sink.sendall(data)
        how = socket.SHUT_WR
    for end in (sink, source) if how == socket.SHUT_RDWR else (sink,):
        with contextlib.suppress(OSError):
            end.shutdown(how)


def from_socket(path: str) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(path)
        except OSError:
            made.close()
            raise
        return made

    return connect


class Bridge:
    """The outer end: whoever connects to the socket is joined to the gateway."""

    def __init__(self, path: str, host: str, port: int) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(64)

        def connect() -> socket.socket:
            return socket.create_connection((host, port), timeout=None)

        threading.Thread(target=carry, args=(self._listener, connect), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Lifeline:
    """Ends with this process, whatever ends it; a container would not notice by itself."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(1)

    def close(self) -> None:
        self._listener.close()


def main(port: str, path: str, lifeline: str, *command: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
    if lifeline:
        _stay_first(listener, path, from_socket(lifeline)())
    elif os.fork() == 0:
        os.setsid()  # Ctrl-C in the terminal is not for this one; the end of the fence ends it
        carry(listener, from_socket(path))
        os._exit(0)
    listener.close()
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        print(f"error: {command[0]} does not start: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def _stay_first(listener: socket.socket, path: str, lifeline: socket.socket) -> None:
    """As a container's first process, which nothing in there can end, and whose end ends all; what
    returns is a child of it, which has the terminal."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # where there is no terminal
            os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        return

    def pass_on(number: int, _: object) -> None:
        with contextlib.suppress(OSError):
            os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    threading.Thread(target=carry, args=(listener, from_socket(path)), daemon=True).start()
    threading.Thread(target=_hang_by, args=(lifeline,), daemon=True).start()
    ended, status = 0, 0
    while ended != child:  # others that lost their parent are its to bury
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _hang_by(lifeline: socket.socket) -> None:
    """With the launcher all ends that is in here."""
    with contextlib.suppress(OSError):
        while lifeline.recv(PIECE):
            pass
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
