"""The engines of this studio, by kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from llm_studio.engines.base import Engine
from llm_studio.engines.docker import DockerEngine
from llm_studio.engines.external import ExternalEngine
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.images.stock import engine_image
from llm_studio.engines.process import ProcessEngine
from llm_studio.settings import Settings


def home_label(settings: Settings) -> str:
    """Tells what belongs to this home from what belongs to others on the same machine."""
    return hashlib.sha256(str(settings.paths.state).encode()).hexdigest()[:12]


def create_engines(settings: Settings) -> Mapping[str, Engine]:
    """None of them touches the outside world before it is asked."""
    home = home_label(settings)
    shelf = Shelf(settings.paths.state)
    return {
        # Asked at each start: another command may have chosen another image meanwhile.
        "docker": DockerEngine(home, lambda: engine_image(settings, shelf)),
        "process": ProcessEngine(settings.paths.state / "engines", settings.llama_server),
        "external": ExternalEngine(settings.paths.state / "engines"),
    }
