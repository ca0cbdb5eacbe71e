"""Containers that nobody will ask for again: removed, but for the last ones, which show why."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from llm_studio.engines.docker.container import INSTANCE, key_file_of

KEPT = 3
"""Ended containers of an earlier studio that stay, for `docker logs` and `docker inspect`."""
FRESH = 120.0
"""Seconds in which a container may be on its way from created to started."""


def sweep(client: Any, found: Sequence[Mapping[str, Any]], now: float | None = None) -> None:
    """Remove what an earlier studio left behind; `found` is Docker's list, newest first."""
    moment = time.time() if now is None else now
    ended = [each for each in found if each["State"] in ("exited", "dead")]
    probes = [each for each in ended if INSTANCE not in each["Labels"]]
    engines = [each for each in ended if INSTANCE in each["Labels"]]
    stuck = [each for each in found if each["State"] == "created"]
    old = [each for each in (*probes, *stuck) if moment - each["Created"] > FRESH]
    for each in (*old, *engines[KEPT:]):
        remove(client, each["Id"], force=each["State"] == "created")
    for each in (*old, *engines):
        forget_key(each["Labels"])


def remove(client: Any, id_: str, *, force: bool = False) -> None:
    """Remove a container; one that is gone, or going, is as good."""
    docker: Any = importlib.import_module("docker.errors")
    try:
        client.remove_container(id_, v=True, force=force)
    except docker.NotFound:
        return
    except docker.APIError as error:
        if "already in progress" not in str(error.explanation):
            raise


def forget_key(labels: Mapping[str, str]) -> None:
    path = key_file_of(labels)
    if path is not None:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
