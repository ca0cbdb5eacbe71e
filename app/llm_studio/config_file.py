"""Writes single settings into the config file, and keeps everything else in it as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_studio.settings import read_config
from llm_studio.storage import write_atomically


def write_setting(path: Path, key: str, value: Any) -> None:
    """Set a key, or unset it where the value is None."""
    import tomlkit

    read_config(path)  # a file that cannot be read is not written over
    document = (
        tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    )
    if value is None:
        document.pop(key, None)
    else:
        document[key] = value
    write_atomically(path, tomlkit.dumps(document))
