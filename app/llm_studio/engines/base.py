"""What every engine can do: start llama.cpp for a profile, look at it, follow its log, stop it.

An engine that was started outlives the studio. It is found again by `running()`, which every
engine answers from the outside world alone (containers by label, processes by a record).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from llm_studio.engines.arguments import Files
from llm_studio.errors import StudioError
from llm_studio.models.fit import Chosen
from llm_studio.models.memory import Device
from llm_studio.profiles.catalogue import Entry


class EngineError(StudioError):
    """The engine could not do what was asked."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that an engine needs to serve a profile."""

    entry: Entry
    files: Files
    """On this machine; an engine with another view of the disk translates them."""
    chosen: Chosen
    """Settings that the plan added."""
    devices: tuple[Device, ...]
    image: str = ""
    folder: Path = Path()
    """Where the studio keeps what belongs to running engines."""
    log_level: int | None = None
    """Of the engine's log, unless the profile sets another."""
    instance: str = field(default_factory=lambda: secrets.token_hex(6))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """With it alone the engine answers; nobody but the gateway knows it."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Whether an engine is alive; if not, how it ended."""

    alive: bool
    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    gone: bool = False
    """Nothing is left of it, so how it ended cannot be told."""
    pid: int = 0
    """Of its process on this machine; 0 where that cannot be known."""
    resume: str = ""
    """The command that lets it go on, where somebody paused it."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of an engine's output, and where to go on reading after it."""

    text: str
    time: float
    mark: str
    gap: str = ""
    """What is missing before it, and why; nothing, if nothing is."""
    missing: int = 0
    """Lines, where they could be counted."""


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that was started: where it answers, and with which key."""

    kind: str
    instance: str
    profile: str
    address: str
    key: str
    started: float
    command: tuple[str, ...]
    detail: str = ""
    """For people: the container's or the process's name, and its image."""
    image: str = ""
    """The container image's id; nothing where there is none."""
    model: str = ""
    """What a server that has several models is to be asked for; "" for our own engines."""
    models: tuple[str, ...] = ()
    """All that such a server has."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this engine's llama-server is and knows."""

    version: str
    flags: frozenset[str]
    log_level: int | None = None
    """At which its log tells what it allocates where; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the engine can be used on this machine, and if not, why and what to do."""

    ready: bool
    told: str
    hint: str = ""


class Engine(Protocol):
    """One way to run llama.cpp. No call blocks; failures are `StudioError`."""

    kind: str

    async def availability(self, image: str = "") -> Availability:
        """With the image that a profile names, or the one in use."""
        ...

    async def abilities(self, image: str = "") -> Abilities: ...

    async def start(self, launch: Launch) -> Running:
        """Start it; it is not ready yet, and may end before it is."""
        ...

    async def running(self) -> Sequence[Running]:
        """Engines of this studio that run now, whoever started them."""
        ...

    async def vitals(self, running: Running) -> Vitals: ...

    def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        """Its lines after the mark; ends when it has ended and all was read."""
        ...

    async def stop(self, running: Running, grace: float) -> None:
        """End it, by force after the grace. One that has ended already is no error."""
        ...

    async def forget(self, running: Running) -> None:
        """Remove what is left of one that has ended."""
        ...

    async def close(self) -> None: ...


def now() -> float:
    return time.time()
