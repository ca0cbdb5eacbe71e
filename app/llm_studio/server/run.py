"""Runs the studio: one for each home, its faces on loopback and on a socket of the user's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from llm_studio import __version__
from llm_studio.engines.registry import create_engines
from llm_studio.errors import StudioError
from llm_studio.place import socket_path
from llm_studio.server.access import Access
from llm_studio.server.api import create_api
from llm_studio.server.capture import Capture
from llm_studio.server.gateway import Gateway
from llm_studio.server.impatient import ImpatientProtocol
from llm_studio.server.security import LOOPBACK, is_loopback
from llm_studio.server.token import gateway_key_of, token_of
from llm_studio.settings import Settings
from llm_studio.studio.release import taken_over
from llm_studio.studio.studio import Studio


async def run(settings: Settings, ready: Callable[[Studio], None]) -> None:
    """Serve until told to end; `ready` is called once everything answers."""
    state = settings.paths.state
    kept = taken_over(state, __version__)
    studio = Studio(settings, create_engines(settings))
    if kept is not None:
        studio.log.add(f"another release was here; what it wrote is kept in {kept}")
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a closed terminal ends no studio
    gateway = Gateway(
        studio.reception,
        records=studio.requests.add,
        allowed_hosts=settings.hosts,
        key=gateway_key_of(state) if settings.gateway_key else None,
        capture=Capture(state / "captured") if settings.capture else None,
        profiles=lambda: [{"id": id_} for id_ in studio.names.ids],
    )
    public = _tcp_socket(settings.api_host, settings.api_port, "api_port")
    api = create_api(studio, shut_down=ended.set)
    away = Access(
        api,
        token=token_of(state),
        hosts=LOOPBACK | frozenset(settings.hosts),
        away=not is_loopback(settings.api_host),
    )
    private: socket.socket | None = None
    try:
        served = await gateway.serve(settings.gateway_host, settings.gateway_port)
        studio.gateway = _url(settings.gateway_host, served)
        studio.api = _url(settings.api_host, public.getsockname()[1])
        private = _unix_socket(socket_path(state))  # whoever asks early waits there
        await studio.start()
        faces = ((Access(api), private), (away, public))
        tasks = [asyncio.create_task(_server(app, listener)) for app, listener in faces]
        ready(studio)
        await asyncio.wait(
            [*tasks, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=2)
    finally:
        await gateway.close()
        await studio.close()
        if private is not None:
            socket_path(state).unlink(missing_ok=True)
            private.close()
        public.close()


async def _server(app: Access, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=16 << 10,
        limit_concurrency=128,
        server_header=False,
        date_header=False,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    # Ours to handle: the studio ends all its faces together.
    with contextlib.suppress(asyncio.CancelledError):
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        await server.main_loop()


def _unix_socket(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)  # the lock is ours, so nobody listens there
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(128)
    return listener


def _url(host: str, port: int) -> str:
    """Where this machine itself reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _tcp_socket(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _port_taken(error, port, setting) from error
    listener.listen(128)
    return listener


def _port_taken(error: OSError, port: int, setting: str) -> StudioError:
    return StudioError(
        f"Port {port} cannot be used",
        why=error.strerror or str(error),
        hint=f"Set another:  llm-studio config {setting} {port + 100} (0: any free one).",
    )
