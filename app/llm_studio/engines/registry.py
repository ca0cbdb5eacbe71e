"""The engines of this studio, by kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from llm_studio.engines.base import Engine
from llm_studio.engines.docker import DockerEngine
from llm_studio.engines.process import ProcessEngine
from llm_studio.settings import Settings


def create_engines(settings: Settings) -> Mapping[str, Engine]:
    """None of them touches the outside world before it is asked."""
    home = hashlib.sha256(str(settings.paths.state).encode()).hexdigest()[:12]
    return {
        "docker": DockerEngine(home, settings.image),
        "process": ProcessEngine(settings.paths.state / "engines", settings.llama_server),
    }
