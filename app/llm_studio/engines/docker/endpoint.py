"""Which Docker is used, and why that one. Chosen once, said openly, never changed in silence.

The order is that of Docker's own command line (DOCKER_HOST, a named context, the configured
context, the default socket), then the sockets of rootless Docker, Podman and desktop products.
The Python SDK falls back to the default socket where a named context is missing; this does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llm_studio.engines.base import EngineError
from llm_studio.text import untrusted_line

DEFAULT_SOCKET = Path("/var/run/docker.sock")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that prove to a daemon on the network who we are, and to us who it is."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a Docker daemon answers, and why it is this one."""

    url: str
    why: str
    tls: Tls | None = None

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def remote(self) -> bool:
        """Whether the daemon sees another machine's files and ports than we do."""
        return self.scheme in ("ssh", "tcp") and not _loopback(urlsplit(self.url).hostname)

    def __str__(self) -> str:
        return f"{untrusted_line(self.url)} ({untrusted_line(self.why)})"


def choose(environment: Mapping[str, str], default: Path = DEFAULT_SOCKET) -> Endpoint:
    """The daemon to use; an error where the user named one that cannot be."""
    host = environment.get("DOCKER_HOST")
    if host:
        return _checked(host, "DOCKER_HOST says so", _tls_of(environment))
    configuration = _configuration(environment)
    named = environment.get("DOCKER_CONTEXT")
    if named:
        return _context(configuration, named, "DOCKER_CONTEXT", default)
    if configuration is not None:
        current = _current_context(configuration)
        if current:
            said_by = str(configuration / "config.json")
            return _context(configuration, current, said_by, default)
    return _first(environment, default)


def _first(environment: Mapping[str, str], default: Path) -> Endpoint:
    """The first socket that is there and may be used, else the first that is there."""
    there = [each for each in _sockets(environment, default) if _is_socket(each[0])]
    for path, why in there:
        if os.access(path, os.R_OK | os.W_OK):
            passed = there[0][0]
            note = "" if path == passed else f"; {passed} may not be used by you"
            return Endpoint(f"unix://{path}", why + note)
    path, why = there[0] if there else (default, "the default socket")
    return Endpoint(f"unix://{path}", why)


def _sockets(environment: Mapping[str, str], default: Path) -> Iterator[tuple[Path, str]]:
    yield default, "the default socket"
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        yield Path(runtime, "docker.sock"), "rootless Docker"
        yield Path(runtime, "podman", "podman.sock"), "Podman"
    home = _home(environment)
    if home is not None:
        yield home / ".docker/run/docker.sock", "Docker Desktop"
        yield home / ".docker/desktop/docker.sock", "Docker Desktop"
        yield home / ".colima/default/docker.sock", "Colima"
        yield home / ".orbstack/run/docker.sock", "OrbStack"
        yield home / ".rd/docker.sock", "Rancher Desktop"


def _home(environment: Mapping[str, str]) -> Path | None:
    home = environment.get("HOME", "")
    return Path(home) if os.path.isabs(home) else None


def _configuration(environment: Mapping[str, str]) -> Path | None:
    """Docker's own folder. A relative one would let the working directory choose the daemon."""
    named = environment.get("DOCKER_CONFIG")
    if named:
        if not os.path.isabs(named):
            raise EngineError(
                "DOCKER_CONFIG is not an absolute path", why=f"It is {untrusted_line(named)!r}."
            )
        return Path(named)
    home = _home(environment)
    return home / ".docker" if home else None


def _current_context(folder: Path) -> str:
    path = folder / "config.json"
    try:
        kept = _read(path)
    except FileNotFoundError:
        return ""
    name = kept.get("currentContext") or ""
    if not isinstance(name, str):
        raise _unusable(path, "currentContext is not a name")
    return name


def _context(folder: Path | None, name: str, said_by: str, default: Path) -> Endpoint:
    if name == "default":
        return Endpoint(f"unix://{default}", f"the context default, which {said_by} names")
    shown = untrusted_line(name)
    # Docker keeps a context under the digest of its name, so no name can lead elsewhere.
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    missing = EngineError(
        f"There is no Docker context {shown!r}", why=f"{said_by} names it.",
        hint="`docker context ls` shows those that there are; `docker context use` takes one.",
    )  # fmt: skip
    if folder is None or not _NAME.fullmatch(name):
        raise missing
    path = folder / "contexts" / "meta" / digest / "meta.json"
    try:
        kept = _read(path)
    except FileNotFoundError:
        raise missing from None
    endpoint = _table(_table(kept, "Endpoints"), "docker")
    host = endpoint.get("Host")
    if not isinstance(host, str) or not host:
        raise _unusable(path, "it names no host")
    tls = _files_of(folder / "contexts" / "tls" / digest / "docker")
    if tls is None and endpoint.get("SkipTLSVerify"):
        tls = Tls(verify=False)
    elif tls is not None:
        tls = Tls(tls.ca, tls.cert, tls.key, not endpoint.get("SkipTLSVerify"))
    return _checked(host, f"the context {shown}, which {said_by} names", tls)


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(kept, dict):
        raise _unusable(path, "it is no JSON object")
    return kept


def _table(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _unusable(path: Path, why: str) -> EngineError:
    return EngineError(
        f"{path} cannot be used", why=untrusted_line(why),
        hint="Mend it, or name the daemon with DOCKER_HOST.",
    )  # fmt: skip


def _tls_of(environment: Mapping[str, str]) -> Tls | None:
    folder = environment.get("DOCKER_CERT_PATH")
    if not folder and not environment.get("DOCKER_TLS_VERIFY"):
        return None
    home = _home(environment)
    place = Path(folder) if folder else (home or Path("/nonexistent")) / ".docker"
    found = _files_of(place) or Tls()
    return Tls(found.ca, found.cert, found.key, bool(environment.get("DOCKER_TLS_VERIFY")))


def _files_of(folder: Path) -> Tls | None:
    ca, cert, key = (
        path if (path := folder / name).is_file() else None
        for name in ("ca.pem", "cert.pem", "key.pem")
    )
    return Tls(ca, cert, key) if ca or (cert and key) else None


def _checked(url: str, why: str, tls: Tls | None) -> Endpoint:
    """The address, if it is of a kind that we use and safe to use."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise EngineError(
            f"{untrusted_line(url)} is no Docker address", why=f"So {why}.",
            hint=f"It wants a scheme, like unix://{untrusted_line(url)}.",
        )  # fmt: skip
    if scheme == "unix":
        if not rest.startswith("/"):
            raise EngineError(f"{untrusted_line(url)} is no absolute path", why=f"So {why}.")
        return Endpoint(url, why)
    if scheme == "ssh":
        if not _host(url) or rest.startswith("-"):
            raise EngineError(f"{untrusted_line(url)} names no machine", why=f"So {why}.")
        return Endpoint(url, why)
    if scheme in ("tcp", "http", "https"):
        host = _host(url)
        if not host:
            raise EngineError(f"{untrusted_line(url)} names no machine", why=f"So {why}.")
        tls = tls or (Tls() if scheme == "https" else None)
        if tls is None and not _loopback(host):
            raise EngineError(
                f"{untrusted_line(url)} is open to everybody on the way",
                why="Docker over the network without TLS gives the whole machine away.",
                hint="Use ssh://USER@HOST, or set up TLS and DOCKER_TLS_VERIFY.",
            )
        return Endpoint(f"tcp://{rest}", why, tls)
    raise EngineError(
        f"llm-studio cannot reach Docker by {untrusted_line(scheme)}://", why=f"So {why}.",
        hint="It knows unix://, ssh:// and tcp://.",
    )  # fmt: skip


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _loopback(host: str | None) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
