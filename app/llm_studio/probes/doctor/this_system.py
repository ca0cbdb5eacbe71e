"""The machine itself. Nothing here needs root, writes, or waits without an end."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.disk_speed import disk_speed
from llm_studio.probes.doctor.system import (
    Answer,
    Docker,
    Memory,
    Model,
    Port,
    Ran,
    Space,
    Speed,
    Terminal,
)
from llm_studio.settings import Settings
from llm_studio.text import untrusted, untrusted_line

MOST_READ = 256 << 10


class ThisSystem:
    """What the checks ask, asked of this machine."""

    def __init__(
        self,
        settings: Settings,
        docker: Docker,
        studio: Callable[[], Mapping[str, Any] | None],
        *,
        settings_trouble: StudioError | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.platform = sys.platform
        self.machine = platform.machine()
        self.environment = os.environ if environment is None else environment
        self.home = Path(self.environment.get("HOME") or os.path.expanduser("~"))
        self.folder = _folder()
        self.user = _user(self.environment)
        self.settings = settings
        self.settings_trouble = settings_trouble
        self.docker = docker
        self._studio = studio
        self._lock = threading.Lock()
        self._commands: dict[tuple[str, ...], Future[Ran]] = {}
        self._answers: dict[str, Future[Answer]] = {}

    def run(self, *command: str, limit: float = 5.0) -> Ran:
        ran: Ran = self._once(
            self._commands, command, lambda: _run(command, limit, self.environment)
        )
        return ran

    def _once(self, kept: dict[Any, Future[Any]], key: Any, work: Callable[[], Any]) -> Any:
        """The result of work that several checks want, done by the first of them."""
        with self._lock:
            mine = key not in kept
            result = kept.setdefault(key, Future())
        if mine:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)
        return result.result()

    def which(self, name: str) -> str | None:
        places = self.environment.get("PATH", os.defpath)
        return shutil.which(name, path=f"{places}:/usr/sbin:/sbin:/usr/lib/wsl/lib")

    def read(self, path: str | Path) -> str:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "is no regular file")
        with open(path, "rb") as file:
            return untrusted(file.read(MOST_READ).decode("utf-8", "replace"), limit=MOST_READ)

    def names(self, folder: str | Path) -> Sequence[str]:
        return [name.encode("utf-8", "replace").decode() for name in sorted(os.listdir(folder))]

    def link(self, path: str | Path) -> str:
        return os.readlink(path)

    def mode(self, path: str | Path) -> int:
        return os.stat(path).st_mode

    def may(self, path: str | Path, *, write: bool = False) -> bool:
        enter = os.X_OK if os.path.isdir(path) else 0
        return os.access(path, os.R_OK | enter | (os.W_OK if write else 0))

    def space(self, path: Path) -> Space:
        told = os.statvfs(path)
        return Space(told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize)

    def speed(self, path: Path) -> Speed:
        return disk_speed(path)

    def models(self) -> Sequence[Model]:
        from llm_studio.models.places import find_files

        found = []
        for each in find_files(self.settings.models, False, self.environment, self.home):
            with contextlib.suppress(OSError):
                found.append(Model(untrusted_line(each.name), each.path, each.path.stat().st_size))
        return found

    def memory(self) -> Memory:
        import psutil

        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return Memory(memory.total, memory.available, swap.total, swap.free)

    def limits(self) -> Mapping[str, int | None]:
        kinds = {
            "files": resource.RLIMIT_NOFILE,
            "locked": resource.RLIMIT_MEMLOCK,
            "address_space": resource.RLIMIT_AS,
            "processes": resource.RLIMIT_NPROC,
        }
        told = {name: resource.getrlimit(kind)[0] for name, kind in kinds.items()}
        return {
            name: None if soft == resource.RLIM_INFINITY else soft for name, soft in told.items()
        }

    def port(self, host: str, number: int) -> Port:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM):
                    return Port("denied")
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    return Port("elsewhere")
                return Port("taken", _listener(number))
        return Port("free")

    def ask(self, url: str) -> Answer:
        answer: Answer = self._once(self._answers, url, lambda: _ask(url))
        return answer

    def terminal(self) -> Terminal | None:
        from llm_studio.probes.doctor.tty import ask_terminal

        return ask_terminal(self.environment)

    def studio(self) -> Mapping[str, Any] | None:
        return self._studio()


def _folder() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path("/")


def _user(environment: Mapping[str, str]) -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return environment.get("USER", "")


def _run(command: Sequence[str], limit: float, environment: Mapping[str, str]) -> Ran:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "LC_ALL": "C", "NO_COLOR": "1"},
            start_new_session=True,
        )
    except FileNotFoundError:
        return Ran(None, trouble="missing")
    except OSError as error:
        return Ran(None, untrusted_line(error.strerror or str(error)), "denied")
    try:
        printed, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)  # one that hangs in a driver dies with it
        return Ran(None, trouble="slow")
    text = printed[-MOST_READ:].decode("utf-8", "replace")
    return Ran(process.returncode, untrusted(text, limit=MOST_READ))


def _listener(port: int) -> str:
    """The program that listens there; others' are told to root alone."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError, RuntimeError):
        for connection in psutil.net_connections("tcp"):
            mine = connection.status == psutil.CONN_LISTEN and connection.pid
            if mine and connection.laddr and connection.laddr.port == port:
                name = psutil.Process(connection.pid).name()
                return untrusted_line(f"{name} (process {connection.pid})")
    return ""


def _ask(url: str) -> Answer:
    """One HEAD, through the user's proxies. Any answer shows that the way is free."""
    import ssl
    import urllib.error
    import urllib.request

    begun = time.monotonic()
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=4) as response:
            status, headers = response.status, response.headers
    except urllib.error.HTTPError as error:
        status, headers = error.code, error.headers
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        told = untrusted_line(str(reason))
        if isinstance(reason, ssl.SSLCertVerificationError):
            return Answer(None, "certificate", told)
        if isinstance(reason, socket.gaierror):
            return Answer(None, "name", told)
        if isinstance(reason, TimeoutError):
            return Answer(None, "slow", told)
        if isinstance(reason, ConnectionRefusedError):
            return Answer(None, "refused", told)
        return Answer(None, "proxy" if "Tunnel connection failed" in told else "other", told)
    return Answer(
        status,
        seconds=time.monotonic() - begun,
        clock=_ahead(headers.get("Date") if headers else None),
    )


def _ahead(date: str | None) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return time.time() - parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
