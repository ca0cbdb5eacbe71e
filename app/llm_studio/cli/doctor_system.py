"""This machine for the doctor: its own edge, the Docker that the engine would use, the studio."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from llm_studio.client import Client, Unreachable
from llm_studio.engines.docker import container
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.container import Pinned, probe_body
from llm_studio.engines.docker.leftovers import remove, sweep
from llm_studio.engines.docker.seam import ImageMissing
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.images.stock import engine_image
from llm_studio.errors import StudioError
from llm_studio.place import socket_path
from llm_studio.probes.doctor.this_system import ThisSystem
from llm_studio.settings import SETTINGS, Paths, Settings, Value, load_settings
from llm_studio.text import untrusted

STUDIO = "doctor"
"""Whose the throw-away containers are: no studio's, so that none adopts them."""
PATIENCE = 30


@contextlib.contextmanager
def this_system() -> Iterator[ThisSystem]:
    """The machine with the user's settings; with the defaults where those cannot be read."""
    try:
        settings, trouble = load_settings(), None
    except StudioError as error:
        settings, trouble = _defaults(), error
    with contextlib.closing(TheDocker(settings, os.environ)) as docker:
        yield ThisSystem(settings, docker, lambda: _status(settings), settings_trouble=trouble)


def _defaults() -> Settings:
    try:
        paths = Paths.locate(os.environ)
    except StudioError:
        paths = Paths.locate({})
    values = {each.key: Value(each, each.default(paths), "default") for each in SETTINGS}
    return Settings(paths, values)


def _status(settings: Settings) -> Mapping[str, Any] | None:
    try:
        status: Mapping[str, Any] = Client(socket_path(settings.paths.state)).ask(
            "GET", "/status", timeout=5
        )
    except Unreachable as unreachable:
        if unreachable.died:
            raise
        return None
    except (OSError, ValueError) as error:
        raise StudioError("The studio does not answer", why=str(error)) from error
    return status


class TheDocker:
    """The daemon that the engine `docker` uses. One that hangs is waited for once."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._connection = Connection(environment)
        self._lock = threading.Lock()
        self._info: Mapping[str, Any] = {}
        self._silence: tuple[str, str, str] | None = None
        """Why it does not answer. No exception is kept: that would keep its connection open."""

    def endpoint(self) -> str:
        return str(self._connection.endpoint)

    def info(self) -> Mapping[str, Any]:
        with self._lock:
            if not self._info and self._silence is None:
                try:
                    self._info = self._connection.do(lambda client: client.info())
                except StudioError as error:
                    self._silence = (error.what, error.why, error.hint)
        if self._silence is not None:
            what, why, hint = self._silence
            raise StudioError(what, why=why, hint=hint)
        return self._info

    def version(self) -> Mapping[str, Any]:
        self.info()
        described: Mapping[str, Any] = self._connection.do(lambda client: client.version())
        return described

    def image(self) -> tuple[str, Mapping[str, Any] | None]:
        self.info()
        chosen = self._chosen()
        try:
            described: Mapping[str, Any] = self._connection.do(
                lambda client: client.inspect_image(chosen.reference), image=chosen.name
            )
        except ImageMissing:
            return chosen.name, None
        return chosen.name, described

    def _chosen(self) -> Pinned:
        return engine_image(self._settings, Shelf(self._settings.paths.state))

    def devices(self) -> str:
        image = self._chosen().reference
        asked = probe_body(image, "--list-devices", STUDIO, self._connection.daemon())
        asked["HostConfig"]["DeviceRequests"] = [
            {"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}
        ]
        with self._connection.open(image=image) as client:
            ours = {"label": [f"{container.STUDIO}={STUDIO}"]}
            sweep(client, client.containers(all=True, filters=ours))  # of one that was cut off
            made = client.create_container_from_config(asked)["Id"]
            try:
                client.start(made)
                client.wait(made, timeout=PATIENCE)
                printed: Any = client.logs(made, stdout=True, stderr=True)
            finally:
                remove(client, made, force=True)
        return untrusted(bytes(printed).decode("utf-8", "replace"))

    def close(self) -> None:
        self._connection.close()
