"""Profiles from the formats of other tools; whatever cannot be carried over is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llm_studio.errors import NotFound, StudioError
from llm_studio.models.library import Library
from llm_studio.profiles.imports.draft import Draft
from llm_studio.profiles.imports.ini import Section, read_sections
from llm_studio.profiles.imports.models_conf import from_models_conf, is_models_conf
from llm_studio.profiles.imports.router_preset import from_router_preset

MAX_FILE = 4 << 20

Reader = Callable[[list[Section], str, Library], list[Draft]]


def read_foreign(path: Path, library: Library) -> list[Draft]:
    """The profiles that a foreign file describes, each with what could not be carried over."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}") from error
    except OSError as error:
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
    if len(raw) > MAX_FILE or b"\0" in raw:
        raise StudioError(f"{path} is no text file with profiles")
    sections = read_sections(raw.decode("utf-8", errors="replace"))
    if not any(section.name for section in sections):
        raise StudioError(
            f"{path} holds no profiles",
            why="No [section] was found in it.",
            hint="It can be a models.conf, or the INI presets of llama-server's router.",
        )
    reader: Reader = from_models_conf if is_models_conf(sections) else from_router_preset
    return reader(sections, path.stem, library)
