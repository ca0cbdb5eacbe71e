"""Where models are downloaded from."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from llm_studio.probes.doctor.system import System

DEFAULT = "https://huggingface.co"


def address(system: System) -> str:
    """What the user has named, else what the hub's own library has as its default."""
    named = system.environment.get("HF_ENDPOINT")
    if named:
        return named.rstrip("/")
    try:
        library: Any = import_module("huggingface_hub.constants")
    except ImportError:
        return DEFAULT
    return str(library.ENDPOINT).rstrip("/")
