"""Launches of made-up profiles, for containers that are described or really started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import Launch
from llm_studio.models.memory import Device
from llm_studio.profiles.catalogue import Catalogue, Entry, Source, parse_source


def entry_of(text: str = "", id_: str = "subject") -> Entry:
    told = f'name = "X"\n{text}'
    return Catalogue([parse_source(Source(id_, Path(f"{id_}.toml"), False, told))]).get(id_)


def launch_of(model: Path, folder: Path, text: str = "", **more: Any) -> Launch:
    files = more.pop("files", Files(model))
    devices: tuple[Device, ...] = more.pop("devices", ())
    text = text or '[model]\nfile = "tiny.gguf"\n[server]\ncontext = 512\nparallel = 1'
    return Launch(entry_of(text), files, more.pop("chosen", {}), devices, folder=folder, **more)
