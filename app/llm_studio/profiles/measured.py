"""The speeds that were measured here, by profile: so that every listing can show them at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from llm_studio.profiles.catalogue import Entry
from llm_studio.storage import write_atomically


class Measured:
    """Speeds of profiles as they were set when they were measured."""

    def __init__(self, speeds: Mapping[str, tuple[str, float]]) -> None:
        self._speeds = speeds

    @classmethod
    def load(cls, state: Path) -> Measured:
        """What cannot be read was not measured."""
        try:
            kept = json.loads(_file(state).read_text(encoding="utf-8"))
            return cls({str(id_): (str(s), float(v)) for id_, (s, v) in kept.items() if v > 0})
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return cls({})

    def speed(self, entry: Entry) -> float | None:
        """Tokens a second; nothing for a profile that was changed since."""
        settings, speed = self._speeds.get(entry.id, ("", None))
        if speed is None or entry.profile is None or settings != settings_of(entry):
            return None
        return speed

    def keep(self, state: Path, id_: str, settings: str, speed: float) -> None:
        speeds = {**self._speeds, id_: (settings, speed)}
        write_atomically(_file(state), json.dumps(speeds, indent=1) + "\n")


def settings_of(entry: Entry) -> str:
    """Everything that the speed of a profile depends on, in one short word."""
    profile = entry.require()
    told = [
        section.model_dump(mode="json", exclude_none=True)
        for section in (profile.model, profile.engine, profile.server)
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _file(state: Path) -> Path:
    return state / "bench" / "speeds.json"
