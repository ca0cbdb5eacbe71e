"""What an image's llama-server says of itself, asked in containers that are thrown away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llm_studio.engines.abilities import flags_in, log_level_in, version_in
from llm_studio.engines.base import Abilities, EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.container import Pinned, probe_body
from llm_studio.engines.docker.leftovers import remove
from llm_studio.text import untrusted_line

PATIENCE = 30


def ask(connection: Connection, image: Pinned, studio: str) -> Abilities:
    """Its version and the flags that it knows. Blocks."""
    with ThreadPoolExecutor(2) as pool:
        version = pool.submit(_says, connection, image, studio, "--version")
        help_text = _says(connection, image, studio, "--help")
        flags = flags_in(help_text)
        if not flags:
            raise EngineError(
                f"The image {untrusted_line(image.name)} has no llama-server",
                why=untrusted_line(help_text.strip().partition("\n")[0]),
                hint="Choose another image:  llm-studio image list",
            )
        return Abilities(version_in(version.result()), flags, log_level_in(help_text))


def _says(connection: Connection, image: Pinned, studio: str, word: str) -> str:
    asked = probe_body(image.reference, word, studio, connection.daemon())
    with connection.open(image=image.name) as client:
        made = client.create_container_from_config(asked)["Id"]
        try:
            client.start(made)
            client.wait(made, timeout=PATIENCE)
            printed: Any = client.logs(made, stdout=True, stderr=True)
        finally:
            remove(client, made, force=True)
    return bytes(printed).decode("utf-8", "replace")
