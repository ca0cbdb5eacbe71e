"""What most commands begin with: the settings, the profiles, the model files and this machine."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path
from typing import Any

from llm_studio.cli.glance import glance
from llm_studio.errors import StudioError, UsageError
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.models.memory import Device, GiB
from llm_studio.place import socket_name
from llm_studio.probes.machine import this_machine
from llm_studio.probes.overhead import UNMEASURED
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.plan import Machine, Plan
from llm_studio.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Workspace:
    settings: Settings
    catalogue: Catalogue
    library: Library
    machine: Machine
    """Its memory as the next model finds it: what is served now has ended by then."""
    serving: Mapping[str, str] = field(default_factory=dict)
    """What the studio does with profiles now, by their ids: "ready", "loading" …"""

    def plan(self, id_: str) -> Plan:
        return self.plan_for(self.catalogue.get(id_))

    def plan_for(self, entry: Entry) -> Plan:
        return Plan(entry, self.machine, self.library, self.catalogue.card_for(entry))

    def plans(self) -> Iterator[Plan]:
        return map(self.plan_for, self.catalogue)


def path_of(word: str) -> Path | None:
    """The path that a word is, if anything is there; one that may not be looked at says so."""
    path = Path(os.path.expanduser(word))
    try:
        path.stat()
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP):
            return None
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
    return path


def gpu_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpus",
        metavar="SIZES",
        help="plan for GPUs of these sizes instead of this machine's, like 24G,16G or none",
    )


@contextmanager
def workspace(gpus: str | None = None) -> Iterator[Workspace]:
    """Everything of this user; `gpus` stands in for the machine's own."""
    settings = load_settings()
    with Headers(settings.paths.cache) as headers:
        library = Library.scan(settings.models, headers, caches=settings.caches)
        machine = this_machine(settings.paths.state, look_for_gpus=gpus is None)
        serving: dict[str, str] = {}
        if gpus is not None:
            machine = Machine(_imagined(gpus), machine.host, machine.notes)
        elif status := _studio_tells(settings):
            engines = (status, *status.get("beside", ()))
            serving = {each["profile"]: each["state"] for each in engines if each["profile"]}
            machine = machine.with_returned(status.get("held", {}))
        catalogue = Catalogue.load(settings.paths.profiles)
        yield Workspace(settings, catalogue, library, machine, serving)


def _studio_tells(settings: Settings) -> Mapping[str, Any] | None:
    """The status of the studio, where one runs and answers."""
    with suppress(StudioError):
        return glance(socket_name(str(settings.paths.state)), "/status")
    return None


def _imagined(sizes: str) -> tuple[Device, ...]:
    if sizes.strip().lower() in ("none", "0"):
        return ()
    devices = []
    for index, part in enumerate(sizes.split(",")):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:g|gb|gib)?\s*", part, re.I)
        if not match or not 0 < float(match[1]) <= 4096:
            raise UsageError(
                f"{part!r} is no size of a GPU's memory", hint="Give sizes in GiB: --gpus 24G,16G"
            )
        memory = int(float(match[1]) * GiB)
        devices.append(Device(f"GPU {index}", memory, memory, overhead=UNMEASURED))
    return tuple(devices)
