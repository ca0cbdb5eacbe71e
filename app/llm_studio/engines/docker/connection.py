"""The SDK's client of the chosen daemon: made when first needed, off the loop, never by import."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.container import Daemon
from llm_studio.engines.docker.endpoint import Endpoint, choose
from llm_studio.engines.docker.seam import seam
from llm_studio.engines.docker.tunnel import Tunnel

TIMEOUT = 8
T = TypeVar("T")


class Connection:
    """One daemon. Once it has answered, no other one is used."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._tunnel: Tunnel | None = None
        self._client: Any = None
        self._daemon: Daemon | None = None

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint or choose(self._environment)

    async def call(self, work: Callable[[Any], T], *, image: str = "") -> T:
        """Do blocking work with the client, in a thread."""
        return await asyncio.to_thread(self.do, work, image=image)

    def do(self, work: Callable[[Any], T], *, image: str = "") -> T:
        with self.open(image=image) as client:
            return work(client)

    @contextlib.contextmanager
    def open(self, *, image: str = "") -> Iterator[Any]:
        """The client, and ours instead of its exceptions. Blocks."""
        endpoint = self.endpoint
        with seam(str(endpoint), image=image):
            yield self._connected(endpoint)

    def daemon(self) -> Daemon:
        """What kind of Docker it is. Blocks."""
        with self.open() as client:
            if self._daemon is None:
                self._daemon = Daemon.described(client.info(), client.version())
            return self._daemon

    def _connected(self, endpoint: Endpoint) -> Any:
        with self._lock:
            if self._tunnel is not None and not self._tunnel.alive:
                self._drop()
            if self._client is None:
                self._client = self._connect(endpoint)
                self._endpoint = endpoint
            return self._client

    def _connect(self, endpoint: Endpoint) -> Any:
        try:
            docker: Any = importlib.import_module("docker")
        except ImportError as error:
            raise EngineError(
                "The Docker SDK is not installed", why=str(error), hint="pip install docker"
            ) from error
        url, tls = endpoint.url, False
        if endpoint.scheme == "ssh":
            self._tunnel = Tunnel(url, self._environment)
            url = self._tunnel.open()
        if endpoint.tls is not None:
            files = endpoint.tls
            pair = (str(files.cert), str(files.key)) if files.cert and files.key else None
            tls = docker.tls.TLSConfig(
                client_cert=pair,
                ca_cert=str(files.ca) if files.ca else None,
                verify=files.verify,
            )
        if url.startswith("unix://"):
            _knock(url.removeprefix("unix://"))
        return docker.APIClient(base_url=url, tls=tls, timeout=TIMEOUT)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def close(self) -> None:
        with self._lock:
            self._drop()


def _knock(path: str) -> None:
    """Whether anybody is there: where nobody is, the SDK would leave its socket open."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(TIMEOUT)
        door.connect(path)
