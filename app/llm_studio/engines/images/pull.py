"""Gets an image from a registry, and tells how far it is: layers and bytes, as Docker counts them.

Docker reports failures inside the stream of an answer that began well, and without an end to its
patience; so every record is looked at, and silence is told.
"""

from __future__ import annotations

import importlib
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.seam import refused
from llm_studio.engines.images.interrupt import Interrupt
from llm_studio.engines.images.reference import Reference
from llm_studio.text import untrusted_line

Told = Callable[[str, float | None], None]
"""Is called with a line for people, and the part that is done where that is known."""
QUIET = 0.2
"""Seconds between two tellings."""
WINDOW = 5.0
"""Seconds over which the speed is taken."""
_DONE = ("Pull complete", "Already exists")
_FETCHED = ("Download complete", "Verifying Checksum", "Extracting")
_DIGEST = re.compile(r"Digest: (sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that is here now."""

    id: str
    name: str
    digest: str
    fetched: int
    """Bytes that came over the network."""


@dataclass(slots=True)
class _Layer:
    status: str = ""
    fetched: int = 0
    total: int | None = None

    @property
    def sized(self) -> bool:
        return self.total is not None or self.status in _DONE or self.status in _FETCHED


@dataclass(slots=True)
class Progress:
    """What Docker's records add up to."""

    layers: dict[str, _Layer] = field(default_factory=dict)
    digest: str = ""
    note: str = ""
    _history: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=256))

    def take(self, record: Mapping[str, Any], now: float) -> None:
        status, id_ = str(record.get("status", "")), str(record.get("id", ""))
        match = _DIGEST.fullmatch(status)
        if match:
            self.digest = match[1]
        if not id_ or status.startswith("Pulling from"):
            return
        layer = self.layers.setdefault(id_, _Layer())
        detail = record.get("progressDetail") or {}
        if status == "Downloading":
            layer.fetched = int(detail.get("current") or 0)
            layer.total = int(detail["total"]) if detail.get("total", -1) > 0 else None
        elif status in _FETCHED and layer.total is not None:
            layer.fetched = layer.total
        layer.status = status
        self.note = untrusted_line(status).lower() if status.startswith("Retrying") else ""
        self._history.append((now, self.fetched))

    @property
    def fetched(self) -> int:
        return sum(layer.fetched for layer in self.layers.values())

    @property
    def fraction(self) -> float | None:
        """Of the bytes; unknown until Docker has told the size of every layer."""
        total = sum(layer.total or 0 for layer in self.layers.values())
        if not total or not all(layer.sized for layer in self.layers.values()):
            return None
        return self.fetched / total

    def sentence(self, now: float) -> str:
        if not self.layers:
            return "asking the registry"
        done = sum(layer.status in _DONE for layer in self.layers.values())
        said = [f"{done} of {len(self.layers)} layers"]
        if self.fetched:
            total = sum(layer.total or 0 for layer in self.layers.values())
            known = f" of {_size(total)}" if self.fraction is not None else ""
            said.append(f"{_size(self.fetched)}{known}")
        speed = self._speed(now)
        if speed:
            said.append(f"{_size(speed)}/s")
        elif self.fraction == 1.0 and done < len(self.layers):
            said.append("unpacking")
        return ", ".join(said + ([self.note] if self.note else []))

    def _speed(self, now: float) -> int:
        recent = [(at, count) for at, count in self._history if now - at <= WINDOW]
        if len(recent) < 2 or recent[-1][1] == recent[0][1]:
            return 0
        return int((recent[-1][1] - recent[0][1]) / max(now - recent[0][0], 0.1))


def pull(connection: Connection, wanted: Reference, told: Told, interrupt: Interrupt) -> Pulled:
    """Blocks until the image is here.

    A connection that breaks is taken up again where it broke, by Docker itself. What it keeps of a
    pull that was ended is its own affair: the classic store nothing, containerd's all of it.
    """
    progress, last = Progress(), 0.0
    told(progress.sentence(0), None)
    with connection.open(image=str(wanted)) as client:
        for record in _records(client, wanted, interrupt):
            if record.get("error"):
                raise refused(str(record["error"]))
            now = time.monotonic()
            progress.take(record, now)
            if now - last >= QUIET:
                last = now
                told(progress.sentence(now), progress.fraction)
        if interrupt.set:
            raise EngineError("The pull was ended")
        told(progress.sentence(time.monotonic()), progress.fraction)
        inspected = client.inspect_image(_here(wanted, progress.digest))
    return Pulled(str(inspected["Id"]), str(wanted), progress.digest, progress.fetched)


def _here(wanted: Reference, digest: str) -> str:
    """The name by which it is the very image that came, whatever a tag means a moment later."""
    return f"{wanted.repository}@{digest or wanted.digest}" if digest else str(wanted)


def _records(client: Any, wanted: Reference, interrupt: Interrupt) -> Iterator[dict[str, Any]]:
    """Docker's own records. The SDK's `pull` hides its connection, so nobody could end it."""
    docker: Any = importlib.import_module("docker")
    registry, _ = docker.auth.resolve_repository_name(wanted.repository)
    header = docker.auth.get_config_header(client, registry)
    try:
        response = client._post(
            client._url("/images/create"),
            params={"fromImage": wanted.repository, "tag": wanted.wanted},
            headers={"X-Registry-Auth": header} if header else None,
            stream=True,
            timeout=None,
        )
        client._raise_for_status(response)
    except docker.errors.APIError as error:
        # Where the registry has no such image, the SDK would say that it is not on this machine.
        raise refused(str(error.explanation or error)) from error
    stream = docker.types.CancellableStream(client._stream_helper(response, decode=True), response)
    interrupt.closes(stream.close)
    try:
        yield from stream
    except (OSError, ValueError, AttributeError):
        if not interrupt.set:
            raise
    finally:
        response.close()


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
