"""What a lab leaves: one file, which grows variant by variant."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from llm_studio.bench.record import Run
from llm_studio.errors import NotFound
from llm_studio.profiles.changed import told
from llm_studio.schema import Wire
from llm_studio.storage import write_atomically
from llm_studio.text import untrusted_line


class Variant(Wire):
    """The profile with some values changed; the first of a lab changes nothing."""

    changes: dict[str, Any] = Field(default_factory=dict)
    state: Literal["waiting", "measured", "failed"] = "waiting"
    why: str = ""
    """What it failed of."""
    seconds: float = 0.0
    run: Run | None = None
    again: Run | None = None
    """After a fresh load: of the winner and of the profile as it is, to be sure."""

    @property
    def words(self) -> str:
        return told(self.changes) or "as it is"


class Lab(Wire):
    """A grid of variants of one profile."""

    format: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9]{8}-[0-9]{6}-[A-Za-z0-9._-]{1,120}$")
    profile: str
    grid: dict[str, list[Any]]
    full: bool = False
    settings: str = ""
    """The profile's settings in one word, as they were when it began."""
    started: float
    ended: float | None = None
    variants: list[Variant]

    @property
    def done(self) -> int:
        return sum(each.state != "waiting" for each in self.variants)


class Labs:
    """All labs of this home. Reads the disk, so it is for a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, lab: Lab) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.folder / f"{lab.id}.json", lab.model_dump_json(indent=1))

    def all(self) -> list[Lab]:
        """The oldest first; files that cannot be read are left out."""
        found = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, ValidationError, RecursionError):
                found.append(Lab.model_validate(json.loads(path.read_bytes())))
        return sorted(found, key=lambda lab: lab.started)

    def get(self, id_: str) -> Lab:
        """By its id, what that ends with, or the profile's newest."""
        for lab in reversed(self.all()):
            if id_ in (lab.id, lab.profile) or (len(id_) > 3 and lab.id.endswith(f"-{id_}")):
                return lab
        raise NotFound(
            f"There is no lab of {untrusted_line(id_)!r}",
            hint="Begin one:  llm-studio bench lab ID --set server.ubatch=256,512",
        )

    def unfinished(
        self, profile: str, grid: dict[str, list[Any]], full: bool, settings: str
    ) -> Lab | None:
        """An earlier one with the same question that was interrupted."""
        for lab in reversed(self.all()):
            asked = (lab.profile, lab.grid, lab.full, lab.settings)
            if lab.ended is None and asked == (profile, grid, full, settings):
                return lab
        return None
