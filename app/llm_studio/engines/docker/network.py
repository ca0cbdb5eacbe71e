"""A network that ends at this machine, for engines whose profile says `network = "closed"`.

Docker forwards nothing into or out of an internal network, and publishes no port of it either; so
such an engine is asked at its own address, which this machine sees as one of its neighbours.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.container import MANAGED, STUDIO, Daemon, network_of


def require(client: Any, studio: str, daemon: Daemon) -> None:
    """Make the studio's closed network, unless it is there. Blocks."""
    if daemon.apart:
        raise EngineError(
            "This Docker cannot close an engine's network",
            why="It runs its containers where this machine cannot reach them but by open ports.",
            hint='Set `network = "open"` under [engine], or use a Docker of this machine\'s own.',
        )
    docker: Any = importlib.import_module("docker.errors")
    name = network_of(studio)
    for found in client.networks(names=[name]):
        if found["Name"] == name:
            _require_closed(found)
            return
    with contextlib.suppress(docker.APIError):  # another start has made it just now
        client.create_network(
            name, driver="bridge", internal=True, check_duplicate=True,
            labels={MANAGED: "true", STUDIO: studio},
        )  # fmt: skip
    _require_closed(client.inspect_network(name))


def _require_closed(found: Mapping[str, Any]) -> None:
    if not found.get("Internal"):
        raise EngineError(
            f"The network {found['Name']} is not closed",
            why="Somebody else has made one of that name.",
            hint=f"Remove it:  docker network rm {found['Name']}",
        )


def forget(client: Any, studio: str) -> None:
    """Remove it with its last engine; it stays while another one is in it."""
    docker: Any = importlib.import_module("docker.errors")
    with contextlib.suppress(docker.APIError):
        client.remove_network(network_of(studio))
